"""The pictures of a search, as inline SVG: family tree, Pareto front, control, predictions."""

import math
from collections.abc import Mapping, Sequence

from archer.report.svg import Axis, Canvas, ticks
from archer.research.chance import Chance
from archer.research.overview import Overview, Standing, front

NAMED = 5  # candidates whose names are written beside their marks
LETTER = 7.5  # pixels of one in a name, at most
STEP, WIDEST = 90.0, 880.0  # pixels between candidates; of all of them, where that is less
MARK = {"promoted": 0, "weeded": 1, "trains": 1, "failed": 3, "refused": 2, "waiting": 1}
Point = tuple[float, float]


def family(overview: Overview) -> str:
    """Every candidate by its number and its score less delta's, with lines from its parents."""
    return family_canvas(overview).svg()


def family_canvas(overview: Overview) -> Canvas:
    """The same before it is text."""
    shown = [s for s in overview.standings.values() if s.entry and s.entry.arm == "search"]
    roots = [s for s in overview.standings.values() if s.entry is None and s.scored]
    left, bottom = 140, 400
    step = max(8.0, min(STEP, WIDEST / max(1, len(shown))))
    width = max(760, round(left + 130 + step * len(shown)))
    foot = bottom + (22 if all(s.scored for s in shown) else 54)  # below those without a score
    canvas = Canvas(
        width,
        foot + 8,
        "Family tree",
        "Candidates from left to right as they were proposed; height is validation accuracy less "
        "delta's, averaged over the tasks; lines lead from parent to child.",
    )
    bars = [bar.margin for bar in overview.bars if bar.stage == overview.stage]
    y = Axis(*_range([*(s.gap for s in [*roots, *shown] if s.scored), *bars]), bottom, 24)
    _scale(canvas, y, left, width - 12, inside=True)
    for margin in bars:
        canvas.line(left, y.at(margin), width - 12, y.at(margin), "bar-line")
        canvas.text(width - 12, y.at(margin) - 3, f"bar {margin:+.3f}", "tick", "end")
    if foot > bottom + 36:
        canvas.text(left, bottom + 36, "no score: refused or failed", "tick", "start")
    places = {s.key: (left - 14.0, _height(y, s)) for s in roots}
    for s in shown:
        assert s.entry is not None
        at = round(left + 24 + step * s.entry.number, 1)
        places[s.key] = (at, _height(y, s) if s.scored else bottom + 20.0)
    line = set(overview.lineage(overview.best[0].key)) if overview.best else set()
    _edges(canvas, shown, places, line)
    for s in roots:
        canvas.marker(*places[s.key], 0, "dot s0", f"{s.name}: {s.gap:+z.4f}")
    below = {s.key: f" {s.gap:+.2f}" for s in roots if s.gap < y.low}
    _labels(canvas, [(places[s.key], s.name + below.get(s.key, "")) for s in roots], -10, "end")
    for s in shown:
        _candidate(canvas, s, places[s.key])
    # above their marks: the lines run on to the right of them
    named = [
        ((x, y - 11), s.name) for s in overview.best[:NAMED] for x, y in [places[s.key]]
    ]  # fmt: skip
    inside = [mark for mark in named if mark[0][0] + LETTER * len(mark[1]) < width]
    _labels(canvas, inside, -4, "start")
    _labels(canvas, [mark for mark in named if mark not in inside], 4, "end")
    canvas.text((left + width) / 2, foot, "candidates in the order proposed", "label")
    return canvas


def pareto(overview: Overview) -> str | None:
    """Score against cost per token; the line joins what nothing beats without costing more."""
    known = [s for s in overview.standings.values() if s.scored and not math.isnan(s.cost)]
    known = [s for s in known if s.entry is None or s.entry.arm == "search"]
    if len(known) < 2:
        return None
    canvas = Canvas(
        560, 300, "Score against cost", "Gap to delta against time per token relative to delta."
    )
    y = Axis(*_range([s.gap for s in known]), 250, 16)
    _scale(canvas, y, 60, 545)
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
        stairs.append((x.at(s.cost), _height(y, s)))
    if len(stairs) > 1:
        canvas.path(stairs, "line s1")
    # above their marks: the stairs run on to the right of them
    _labels(canvas, [((x.at(s.cost), _height(y, s) - 9), s.name) for s in best], 5, "start")
    for s in known:
        here = (x.at(s.cost), _height(y, s))
        if s.entry is None:
            canvas.marker(*here, 0, "dot s0", _tip(s))
        else:
            _candidate(canvas, s, here)
    return canvas.svg()


def control(chance: Chance) -> str:
    """Expected best of k candidates drawn from the search and from the random control."""
    canvas = Canvas(460, 270, "Search against chance", "Expected best of k candidates, both arms.")
    ends = [v for _, a, b in chance.curve for v in (a, b)]
    y = Axis(*_range(ends), 222, 16)
    _scale(canvas, y, 60, 360)
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
    _labels(canvas, marks, 9, "start")
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


def _candidate(canvas: Canvas, s: Standing, place: Point) -> None:
    assert s.entry is not None
    kinds = {"promoted": "dot s3", "weeded": "dot s1", "trains": "dot s1"}
    kind = kinds.get(s.entry.outcome, "dot hollow")
    canvas.marker(*place, MARK[s.entry.outcome], kind, _tip(s))


def _tip(s: Standing) -> str:
    if s.entry is None:
        return f"{s.name}: {s.gap:+z.4f} against delta"
    gap = f"{s.gap:+z.4f} against delta, " if s.scored else ""
    return f"{s.entry.id} {s.name}: {gap}{s.entry.outcome}. {s.entry.reason}"[:300]


def _edges(
    canvas: Canvas, shown: Sequence[Standing], places: Mapping[str, Point], line: set[str]
) -> None:
    """Curves from parents to children; the best candidate's line of descent on top, in colour."""
    drawn = []
    for s in shown:
        assert s.entry is not None
        for i, parent in enumerate(s.entry.proposal.parents):
            if parent in places:
                of_best = i == 0 and s.key in line and parent in line
                kind = "descent best" if of_best else "descent second" if i else "descent"
                drawn.append((of_best, _curve(places[parent], places[s.key], kind)))
    canvas.parts += [path for _, path in sorted(drawn, key=lambda item: item[0])]


def _curve(a: Point, b: Point, kind: str) -> str:
    bend = round((b[0] - a[0]) / 2, 1)
    middle = f"C{round(a[0] + bend, 1)} {a[1]} {round(b[0] - bend, 1)} {b[1]}"
    return f'<path d="M{round(a[0], 1)} {a[1]}{middle} {round(b[0], 1)} {b[1]}" class="{kind}"/>'


def _labels(canvas: Canvas, marks: Sequence[tuple[Point, str]], shift: float, anchor: str) -> None:
    """Names beside marks, pushed apart where they would touch."""
    columns: dict[float, list[tuple[float, float, str]]] = {}
    for (x, y), name in marks:
        columns.setdefault(round(x / 120), []).append((y + 4, x, name))
    for column in columns.values():
        column.sort()
        for (_, x, name), at in zip(column, apart([y for y, *_ in column], 12), strict=True):
            words = name if len(name) <= 34 else name[:33] + "…"
            canvas.text(round(x + shift, 1), round(at, 1), words, "mark", anchor)


def apart(wanted: Sequence[float], least: float) -> list[float]:
    """Places at least so far from each other, together as near to the wanted ones as can be.

    wanted: in order. Isotonic regression: who would touch share the mean of what they want.
    """
    blocks: list[tuple[float, int]] = []
    for i, y in enumerate(wanted):
        total, n = y - i * least, 1
        while blocks and blocks[-1][0] / blocks[-1][1] > total / n:
            before, m = blocks.pop()
            total, n = total + before, n + m
        blocks.append((total, n))
    shared = [total / n for total, n in blocks for _ in range(n)]
    return [each + i * least for i, each in enumerate(shared)]


def _range(gaps: Sequence[float]) -> tuple[float, float]:
    """Ends of an axis of gaps; what lies far below is drawn on its floor."""
    high = max([0.0, *gaps])
    spread = max(0.02, high)
    low = max(min([0.0, *gaps]), -2 * spread)
    room = 0.08 * (high - low + 1e-9) + 0.002
    return low - room, high + room


def _height(y: Axis, s: Standing) -> float:
    return y.at(max(s.gap, y.low))


def _scale(canvas: Canvas, y: Axis, left: float, right: float, *, inside: bool = False) -> None:
    """Lines at round gaps. inside: words stand on them at the right; names stand at the left."""
    for tick in ticks(y.low, y.high, 6):
        canvas.line(left, y.at(tick), right, y.at(tick), "grid" if tick else "zero")
        words = f"{tick:+g}" if tick else "delta"
        at = (right, y.at(tick) - 3) if inside else (left - 6, y.at(tick) + 4)
        canvas.text(*at, words, "tick", "end")
