"""Error, memory and output against position, as one SVG file for light and dark pages."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from archer.lengths.measured import Measured
from archer.lengths.sequences import BINDINGS
from archer.report.svg import MARKERS, Axis, Canvas, ticks

COLOURS = 8
STYLE = """
svg{--ink:#1c2330;--dim:#5b6575;--line:#d9dee7;--paper:#fff;--s0:#3a4250;--s1:#0072b2;--s2:#d55e00;
--s3:#008a63;--s4:#b0307f;--s5:#96700a;--s6:#6c4bd1;--s7:#8c4a3f}
@media (prefers-color-scheme:dark){svg{--ink:#e6e9ef;--dim:#a3adbd;--line:#333b49;--paper:#12161d;
--s0:#cfd6e2;--s1:#5fb3f0;--s2:#ff9357;--s3:#3ecfa0;--s4:#f080c0;--s5:#e2c04a;--s6:#b39cf5;
--s7:#d9a597}}
text{fill:var(--ink);font:12px system-ui,"Segoe UI",sans-serif}.tick,.label{fill:var(--dim)}
.paper{fill:var(--paper)}.grid{stroke:var(--line)}.mark{stroke:var(--dim);stroke-dasharray:3 3}
.line{fill:none;stroke-width:2}.bar{stroke-width:1.5}
"""
CLASSES = "".join(
    f".line.s{i},.bar.s{i}{{stroke:var(--s{i})}}.dot.s{i}{{fill:var(--s{i})}}"
    for i in range(COLOURS)
)
WIDE, HIGH, TOP = 370, 190, 78  # of a panel; where the first begins
LEFT, RIGHT = 62, 14  # margins in a panel


def picture(measured: Measured) -> str:
    """A column of panels for each kind of sequence: error, then memory and output by layer."""
    layers = range(measured.facts["layers"])
    rows: list[tuple[str, int | None]] = [("error", None)]
    rows += [(name, layer) for name in ("memory", "output") for layer in layers]
    height = TOP + HIGH * len(rows) + 24
    about = "Mean over seeds; bars from the lowest seed to the highest; dashed: the trained length."
    canvas = Canvas(2 * WIDE + 20, height, "In-context recall on long sequences", about)
    canvas.text(20, 24, canvas.title, "", "start")
    canvas.text(20, 42, about, "label", "start")
    _legend(canvas, measured.rules)
    for i, (quantity, layer) in enumerate(rows):
        y = _axis(measured, quantity, layer, TOP + HIGH * i)
        for j, kind in enumerate(BINDINGS):
            name = quantity if layer is None else f"{quantity}, layer {layer}"
            _panel(canvas, measured, (kind, quantity, layer), f"{name}, bindings {kind}", j, y)
    for j in range(len(BINDINGS)):
        x = _positions(measured, j)
        canvas.text((x.start + x.end) / 2, height - 14, "tokens read", "label")
    return _standalone(canvas)


def _legend(canvas: Canvas, rules: Sequence[str]) -> None:
    at = 20.0
    for i, rule in enumerate(rules):
        canvas.path([(at, 58), (at + 24, 58)], f"line {_colour(i)}")
        canvas.marker(at + 12, 58, i % MARKERS, f"dot {_colour(i)}", rule)
        canvas.text(at + 30, 62, rule, "", "start")
        at += 48 + 7.2 * len(rule)


def _panel(
    canvas: Canvas,
    measured: Measured,
    what: tuple[str, str, int | None],
    name: str,
    column: int,
    y: Axis,
) -> None:
    kind, quantity, layer = what
    x = _positions(measured, column)
    for tick in _powers(y.low, y.high) if y.log else ticks(y.low, y.high, 4):
        canvas.line(x.start, y.at(tick), x.end, y.at(tick), "grid")
        canvas.text(x.start - 6, y.at(tick) + 4, f"{tick:g}", "tick", "end")
    for at in _shown(measured):
        canvas.text(x.at(at), y.start + 16, _short(at), "tick")
    trained = x.at(measured.facts["trained_length"])
    canvas.line(trained, y.start, trained, y.end, "mark")
    canvas.text(x.start, y.end - 8, name, "", "start")
    for i, rule in enumerate(measured.rules):
        canvas.begin(rule)
        _curve(canvas, measured.curve(rule, kind, quantity, layer), rule, i, x, y)
        canvas.end()


def _curve(canvas: Canvas, curve: pd.DataFrame, rule: str, i: int, x: Axis, y: Axis) -> None:
    """One rule's line; it ends where a value is not finite, or not positive on a log axis."""
    points = []
    for at, row in zip(curve.index, curve.to_numpy(float), strict=True):
        if not np.isfinite(row).all() or (y.log and (row <= 0).any()):
            break
        px, mean = x.at(float(at)), float(row.mean())
        points.append((px, y.at(mean)))
        if len(row) > 1:
            canvas.line(px, y.at(row.min()), px, y.at(row.max()), f"bar {_colour(i)}")
        tip = f"{rule}, {at:,} tokens: {mean:.4g}"
        canvas.marker(*points[-1], i % MARKERS, f"dot {_colour(i)}", tip)
    if len(points) > 1:
        canvas.path(points, f"line {_colour(i)}")


def _positions(measured: Measured, column: int) -> Axis:
    left = 10 + WIDE * column
    first = min(min(measured.marks(rule)["trained"] for rule in measured.rules), 16)
    return Axis(first, measured.facts["length"], left + LEFT, left + WIDE - RIGHT, log=True)


def _axis(measured: Measured, quantity: str, layer: int | None, top: float) -> Axis:
    """One y axis for both kinds, so that they can be compared."""
    start, end = top + HIGH - 36, top + 26
    if quantity == "error":
        return Axis(0.0, 1.0, start, end)
    curves = [measured.curve(r, k, quantity, layer) for r in measured.rules for k in BINDINGS]
    values = np.concatenate([curve.to_numpy(float).ravel() for curve in curves])
    values = values[np.isfinite(values) & (values > 0)]
    if not len(values):
        return Axis(0.1, 10.0, start, end, log=True)
    return Axis(float(values.min()) * 0.8, float(values.max()) * 1.25, start, end, log=True)


def _powers(low: float, high: float) -> list[float]:
    """Ticks of a log axis: powers of ten, or 1, 2, 5 of them where there are few."""
    span = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1,) if math.log10(high / low) > 2 else (1, 2, 5)
    return [m * 10.0**e for e in span for m in steps if low <= m * 10.0**e <= high]


def _shown(measured: Measured) -> list[int]:
    """Every fourth power of two, so that their words do not touch."""
    return [4**e for e in range(2, 16) if 4**e <= measured.facts["length"]]


def _short(at: int) -> str:
    return f"{at // 1024}k" if at >= 1024 else str(at)


def _colour(i: int) -> str:
    return f"s{i % COLOURS}"


def _standalone(canvas: Canvas) -> str:
    """A file of its own: namespace, size, style and paper."""
    size = f'width="{canvas.width}" height="{canvas.height}"'
    paper = f'<style>{STYLE}{CLASSES}</style><rect {size} rx="8" class="paper"/>'
    text = canvas.svg().replace("<svg ", f'<svg xmlns="http://www.w3.org/2000/svg" {size} ', 1)
    return text.replace("</desc>", f"</desc>{paper}", 1) + "\n"
