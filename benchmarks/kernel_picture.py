"""The picture of the memory's kernels: a panel per shape, a row per rule."""

import sys
from typing import Any

from paper import canvas_of, standalone

from archer.report.svg import Axis, Canvas, ticks

MARKS = (
    ("forward", "forward", 1, "dot c"),
    ("both", "forward and backward", 0, "dot a"),
    ("peer", "forward and backward, flash-linear-attention", 3, "dot b"),
)
PANELS = ((140, 366), (390, 616))  # from x to x, two beside each other
TOP, STEP, BETWEEN = 94, 22, 64  # of the first panel's rows, a row, from panel to panel


def kernels(record: dict[str, Any]) -> str:
    """Time of each rule's kernels against their floor, at every shape that was measured.

    record: what kernels.py wrote. Exits where no case was measured.
    """
    cases = [case for case in record["cases"] if case["both"]]
    if not cases:
        sys.exit("nothing to draw: the kernels record has no measured case")
    shapes = list(dict.fromkeys(tuple(case["shape"]) for case in cases))
    rules = list(dict.fromkeys(case["rule"] for case in cases))
    high = STEP * len(rules)
    bottom = TOP + (high + BETWEEN) * -(-len(shapes) // len(PANELS)) - BETWEEN
    canvas = canvas_of(bottom + 56 + 20 * (len(MARKS) + 1), "Memory kernels", record)
    most = max(case[name] or 0.0 for case in cases for name, *_ in MARKS)
    for i, shape in enumerate(shapes):
        at = TOP + (high + BETWEEN) * (i // len(PANELS))
        x = Axis(0.0, most * 1.15, *PANELS[i % len(PANELS)])
        _frame(canvas, x, at, high, "{:,} x {:,}, {} x {}".format(*shape))
        if i % len(PANELS) == 0:
            for row, rule in enumerate(rules):
                canvas.text(x.start - 10, at + STEP * (row + 0.5) + 4, rule, "", "end")
        for case in cases:
            if tuple(case["shape"]) == shape:
                _marks(canvas, x, at + STEP * (rules.index(case["rule"]) + 0.5), case)
    _legend(canvas, bottom + 58)
    return standalone(canvas)


def _frame(canvas: Canvas, x: Axis, top: float, high: float, title: str) -> None:
    """Title, lines and figures of a panel."""
    canvas.text(x.start, top - 8, title, "", "start")
    for tick in ticks(0.0, x.high):
        canvas.line(x.at(tick), top, x.at(tick), top + high, "grid")
        canvas.text(x.at(tick), top + high + 16, f"{tick:g}", "tick")


def _marks(canvas: Canvas, x: Axis, y: float, case: dict[str, Any]) -> None:
    """A rule's row: its floor, its times, and the figures of those with a backward pass."""
    canvas.line(x.at(case["floor"]), y - 8, x.at(case["floor"]), y + 8, "floor")
    for name, words, marker, kind in MARKS:
        if case[name]:
            tip = f"{case['rule']}, {words}: {case[name]:.3f} ms"
            canvas.marker(x.at(case[name]), y, marker, kind, tip)
            if name != "forward":
                canvas.text(x.at(case[name]) + 8, y + 4, f"{case[name]:.2f}", "tick", "start")


def _legend(canvas: Canvas, top: float) -> None:
    """What the marks are, and what a panel's title says."""
    left = PANELS[0][0]
    for i, (_, words, marker, kind) in enumerate(MARKS):
        canvas.marker(left, top - 4 + 20 * i, marker, kind, words)
        canvas.text(left + 14, top + 20 * i, words, "", "start")
    row = top + 20 * len(MARKS)
    canvas.line(left, row - 12, left, row + 2, "floor")
    canvas.text(left + 14, row, "floor of both, from bytes moved", "", "start")
    canvas.text(
        20, 58, "panels: sequences x length, heads x head size; milliseconds", "label", "start"
    )
