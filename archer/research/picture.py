"""Pictures of a search as inline SVG: Pareto front, control, predictions."""

import math

from archer.report.svg import Axis, Canvas, ticks
from archer.research.chance import Chance
from archer.research.marks import (
    Point,
    draw_scale,
    gap_range,
    height,
    mark_candidate,
    tooltip,
    write_labels,
)
from archer.research.overview import Overview, front


def pareto(overview: Overview) -> str | None:
    """Score against cost per token; the line joins what nothing beats without costing more."""
    known = [s for s in overview.standings.values() if s.scored and not math.isnan(s.cost)]
    known = [s for s in known if s.entry is None or s.entry.arm == "search"]
    if len(known) < 2:
        return None
    canvas = Canvas(
        560, 300, "Score against cost", "Gap to delta against time per token relative to delta."
    )
    y = Axis(*gap_range([s.gap for s in known]), 250, 16)
    draw_scale(canvas, y, 60, 545)
    costs = [s.cost for s in known]
    x = Axis(min(costs) * 0.93, max(costs) * 1.12, 60, 545, log=True)
    for tick in ticks(x.low, x.high, 6):
        if tick > 0:
            canvas.text(x.at(tick), 267, f"{tick:g}", "tick")
    canvas.text(302, 288, "time per token, delta = 1 (log scale)", "label")
    best = front(known)
    stairs: list[Point] = []
    for s in best:
        if stairs:
            stairs.append((x.at(s.cost), stairs[-1][1]))
        stairs.append((x.at(s.cost), height(y, s)))
    if len(stairs) > 1:
        canvas.path(stairs, "line s1")
    # above their marks: the stairs run on to the right of them
    write_labels(canvas, [((x.at(s.cost), height(y, s) - 9), s.name) for s in best], 5, "start")
    for s in known:
        here = (x.at(s.cost), height(y, s))
        if s.entry is None:
            canvas.marker(*here, 0, "dot s0", tooltip(s))
        else:
            mark_candidate(canvas, s, here)
    return canvas.svg()


def control(chance: Chance) -> str:
    """Expected best of k candidates drawn from the search and from the random control."""
    canvas = Canvas(460, 270, "Search against chance", "Expected best of k candidates, both arms.")
    ends = [v for _, a, b in chance.curve for v in (a, b)]
    y = Axis(*gap_range(ends), 222, 16)
    draw_scale(canvas, y, 60, 360)
    x = Axis(1, max(2, len(chance.curve)), 66, 352)
    for tick in ticks(1, x.high):
        if tick == int(tick) and tick >= 1:
            canvas.text(x.at(tick), 239, f"{tick:g}", "tick")
    canvas.text(210, 260, "candidates drawn", "label")
    lines = (("search", "s1", 1), ("random control", "s2", 2))
    marks = []
    for name, colour, which in lines:
        points = [(x.at(row[0]), y.at(row[which])) for row in chance.curve]
        canvas.path(points, f"line {colour}")
        canvas.marker(*points[-1], which - 1, f"dot {colour}", name)
        marks.append((points[-1], name))
    write_labels(canvas, marks, 9, "start")
    return canvas.svg()


def forecast(overview: Overview) -> str | None:
    """Measured against expected changes; on the diagonal a prediction came true."""
    found = overview.predicted
    if found.empty:
        return None
    canvas = Canvas(
        360, 300, "Expected and measured", "Change of a task's score against the parent."
    )
    both = [*found["expected"], *found["observed"]]
    most = max(0.02, *map(abs, both)) * 1.08
    x, y = Axis(-most, most, 60, 345), Axis(-most, most, 250, 12)
    for tick in ticks(-most, most, 5):
        canvas.line(60, y.at(tick), 345, y.at(tick), "grid" if tick else "zero")
        canvas.line(x.at(tick), 12, x.at(tick), 250, "grid" if tick else "zero")
        canvas.text(54, y.at(tick) + 4, f"{tick:+g}" if tick else "0", "tick", "end")
        canvas.text(x.at(tick), 266, f"{tick:+g}" if tick else "0", "tick")
    canvas.line(x.at(-most), y.at(-most), x.at(most), y.at(most), "rowline")
    canvas.text(202, 290, "expected change", "label")
    for rule, task, expected, observed in found.itertuples(index=False):
        tip = f"{overview.name(rule)}, {task}: expected {expected:+.3f}, measured {observed:+.3f}"
        canvas.marker(x.at(expected), y.at(observed), 0, "dot s1 faint", tip)
    return canvas.svg()
