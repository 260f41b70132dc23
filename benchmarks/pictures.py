"""Draws docs/pictures/throughput.svg and kernels.svg from what the benchmarks wrote.

    python benchmarks/pictures.py [--training training.json] [--kernels kernels.json]
                                  [--to docs/pictures]

Needs no GPU. Readable on light and dark pages: each picture has its own paper.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archer.report.svg import Axis, Canvas, ticks

STYLE = """
svg{--ink:#1c2330;--dim:#5b6575;--line:#d9dee7;--paper:#fff;--a:#0072b2;--b:#d55e00;--c:#008a63}
@media (prefers-color-scheme:dark){svg{--ink:#e6e9ef;--dim:#a3adbd;--line:#333b49;--paper:#12161d;
--a:#5fb3f0;--b:#ff9357;--c:#3ecfa0}}
text{fill:var(--ink);font:12px system-ui,"Segoe UI",sans-serif}.tick,.label{fill:var(--dim)}
.paper{fill:var(--paper)}.grid{stroke:var(--line)}.line{fill:none;stroke-width:2}
.line.a{stroke:var(--a)}.line.b{stroke:var(--b)}.line.c{stroke:var(--c)}
.line.dash{stroke-dasharray:6 4}.floor{fill:none;stroke:var(--dim);stroke-width:2;
stroke-dasharray:2 3}.dot.a{fill:var(--a)}.dot.b{fill:var(--b)}.dot.c{fill:var(--c)}
"""
LEFT, RIGHT, TOP = 66, 620, 52
NOTHING = "nothing to draw: {} has no measured case of `delta` with one head"


@dataclass(frozen=True)
class Series:
    """A line of a plot: kind is its class, marker its shape or None for a line alone."""

    name: str
    points: Sequence[tuple[float, float]]
    kind: str
    marker: int | None = None


def standalone(canvas: Canvas) -> str:
    """The SVG as a file of its own: namespace, size, style and paper."""
    size = f'width="{canvas.width}" height="{canvas.height}"'
    paper = f'<style>{STYLE}</style><rect {size} rx="8" class="paper"/>'
    text = canvas.svg().replace("<svg ", f'<svg xmlns="http://www.w3.org/2000/svg" {size} ', 1)
    return text.replace("</desc>", f"</desc>{paper}", 1) + "\n"


def measured(record: dict[str, Any], length: int, rule: str) -> list[dict[str, Any]]:
    """Cases with a speed at one length, one head, by population."""
    found = [
        case
        for case in record["cases"]
        if (case["T"], case["rule"], case["heads"]) == (length, rule, 1) and case["ms"]
    ]
    return sorted(found, key=lambda case: case["P"])


def throughput_series(record: dict[str, Any]) -> list[Series]:
    """Archer at each length, its floor, and flash-linear-attention's layer one model at a time."""
    found: list[Series] = []
    most = max((case["P"] for case in record["cases"]), default=1)
    for length, kind, marker in ((128, "a", 0), (1024, "b", 1)):
        cases = measured(record, length, "delta")
        if not cases:
            continue
        points = [(case["P"], case["tokens_per_s"] / 1e6) for case in cases]
        found.append(Series(f"Archer, length {length}", points, f"line {kind}", marker))
        for peer in measured(record, length, "fla:DeltaNet")[:1]:
            rate = peer["tokens_per_s"] / 1e6
            name = f"one model at a time, flash-linear-attention, length {length}"
            found.append(Series(name, [(1, rate), (most, rate)], f"line dash {kind}"))
    floor = [
        (case["P"], case["tokens_per_s"] * case["ms"] / case["floor_ms"] / 1e6)
        for case in measured(record, 128, "delta")
        if case["floor_ms"]
    ]
    return [*found, *([Series("floor from bytes moved, length 128", floor, "floor")] * bool(floor))]


def throughput(record: dict[str, Any]) -> str:
    """Tokens per second of the training step against population size, both logarithmic.

    record: what training.py wrote. Exits where it has no measured case.
    """
    series = throughput_series(record)
    if not series:
        sys.exit(NOTHING.format("the training record"))
    rates = [rate for each in series for _, rate in each.points]
    members = sorted({at for each in series if each.marker is not None for at, _ in each.points})
    bottom = 340
    canvas = _canvas(bottom + 54 + 20 * len(series), "Training step: tokens per second", record)
    x = Axis(members[0], max(members[-1], members[0] * 2), LEFT + 10, RIGHT - 10, log=True)
    y = Axis(min(rates) * 0.8, max(rates) * 1.2, bottom, TOP, log=True)
    for tick in (m * 10.0**e for e in range(-3, 4) for m in (1, 2, 5)):
        if y.low <= tick <= y.high:
            canvas.line(LEFT, y.at(tick), RIGHT, y.at(tick), "grid")
            canvas.text(LEFT - 8, y.at(tick) + 4, f"{tick:g} M", "tick", "end")
    for at in members:
        canvas.text(x.at(at), bottom + 18, f"{at:g}", "tick")
    canvas.text((LEFT + RIGHT) / 2, bottom + 36, "members in the population", "label")
    for i, each in enumerate(series):
        canvas.path([(x.at(at), y.at(rate)) for at, rate in each.points], each.kind)
        row = bottom + 58 + 20 * i
        canvas.path([(LEFT, row - 4), (LEFT + 30, row - 4)], each.kind)
        canvas.text(LEFT + 40, row, each.name, "", "start")
        if each.marker is not None:
            dot = each.kind.replace("line", "dot")
            canvas.marker(LEFT + 15, row - 4, each.marker, dot, each.name)
            for at, rate in each.points:
                tip = f"{each.name}, {at:g} members: {rate:.1f} M tokens/s"
                canvas.marker(x.at(at), y.at(rate), each.marker, dot, tip)
    return standalone(canvas)


MARKS = (
    ("forward", "forward", 1, "dot c"),
    ("both", "forward and backward", 0, "dot a"),
    ("peer", "forward and backward, flash-linear-attention", 3, "dot b"),
)


def kernels(record: dict[str, Any]) -> str:
    """Time of each rule's kernels against their floor at the first shape of the benchmark.

    record: what kernels.py wrote. Exits where no case was measured.
    """
    cases = [case for case in record["cases"] if case["both"]]
    if not cases:
        sys.exit("nothing to draw: the kernels record has no measured case")
    shape = cases[0]["shape"]
    cases = [case for case in cases if case["shape"] == shape]
    left, step = 150, 30
    bottom = TOP + step * len(cases)
    title = "Memory kernels, {} sequences x {}, {} head(s) of {}".format(*shape)
    canvas = _canvas(bottom + 54 + 20 * (len(MARKS) + 1), title, record)
    most = max(case[name] or 0.0 for case in cases for name, *_ in MARKS)
    x = Axis(0.0, most * 1.05, left, RIGHT)
    for tick in ticks(0.0, x.high):
        canvas.line(x.at(tick), TOP - 4, x.at(tick), bottom, "grid")
        canvas.text(x.at(tick), bottom + 18, f"{tick:g}", "tick")
    canvas.text((left + RIGHT) / 2, bottom + 36, "milliseconds", "label")
    for i, case in enumerate(cases):
        y = TOP + step * (i + 0.5)
        canvas.text(left - 10, y + 4, case["rule"], "", "end")
        canvas.line(x.at(case["floor"]), y - 10, x.at(case["floor"]), y + 10, "floor")
        for name, words, marker, kind in MARKS:
            if case[name]:
                tip = f"{case['rule']}, {words}: {case[name]:.3f} ms"
                canvas.marker(x.at(case[name]), y, marker, kind, tip)
    for i, (_, words, marker, kind) in enumerate(MARKS):
        canvas.marker(left, bottom + 54 + 20 * i, marker, kind, words)
        canvas.text(left + 14, bottom + 58 + 20 * i, words, "", "start")
    row = bottom + 58 + 20 * len(MARKS)
    canvas.line(left, row - 12, left, row + 2, "floor")
    canvas.text(left + 14, row, "floor of both, from bytes moved", "", "start")
    return standalone(canvas)


def _canvas(height: int, title: str, record: dict[str, Any]) -> Canvas:
    """An empty picture with its title and, below it, what it was measured on."""
    where = f"{record['card']}, torch {record['torch']}, Triton {record['triton']}, bf16, medians"
    canvas = Canvas(640, height, title, where)
    canvas.text(20, 24, title, "", "start")
    canvas.text(20, 41, where, "label", "start")
    return canvas


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--training", type=Path, help="JSON of training.py")
    parser.add_argument("--kernels", type=Path, help="JSON of kernels.py")
    parser.add_argument("--to", type=Path, default=Path("docs/pictures"))
    options = parser.parse_args(arguments)
    if options.training is None and options.kernels is None:
        parser.error("give --training, --kernels or both")
    return options


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    drawn = {
        name: draw(json.loads(path.read_text()))
        for name, draw, path in (
            ("throughput", throughput, options.training),
            ("kernels", kernels, options.kernels),
        )
        if path is not None
    }
    options.to.mkdir(parents=True, exist_ok=True)
    for name, text in drawn.items():
        (options.to / f"{name}.svg").write_text(text)
        print(options.to / f"{name}.svg")


if __name__ == "__main__":
    main()
