"""The family tree of a search as a picture: every candidate, its score and its parents."""

from collections.abc import Mapping, Sequence

from archer.report.svg import Axis, Canvas
from archer.research.marks import Point, draw_scale, gap_range, height, mark_candidate, write_labels
from archer.research.overview import Overview, Standing

NAMED = 5  # candidates whose names are written beside their marks
LETTER = 7.5  # pixels of one in a name, at most
STEP, WIDEST = 90.0, 880.0  # pixels between candidates; of all of them, where that is less
LEFT, BOTTOM = 140, 400


def family(overview: Overview) -> str:
    """Every candidate by its number and its score less delta's, with lines from its parents."""
    return family_canvas(overview).svg()


def family_canvas(overview: Overview) -> Canvas:
    """The same before it is text."""
    shown = [s for s in overview.standings.values() if s.entry and s.entry.arm == "search"]
    roots = [s for s in overview.standings.values() if s.entry is None and s.scored]
    step = max(8.0, min(STEP, WIDEST / max(1, len(shown))))
    width = max(760, round(LEFT + 130 + step * len(shown)))
    foot = BOTTOM + (22 if all(s.scored for s in shown) else 54)  # below those without a score
    canvas = Canvas(
        width,
        foot + 8,
        "Family tree",
        "Candidates from left to right as they were proposed; height is validation accuracy less "
        "delta's, averaged over the tasks; lines lead from parent to child.",
    )
    bars = [bar.margin for bar in overview.bars if bar.stage == overview.stage]
    y = Axis(*gap_range([*(s.gap for s in [*roots, *shown] if s.scored), *bars]), BOTTOM, 24)
    draw_scale(canvas, y, LEFT, width - 12, inside=True)
    _draw_bars(canvas, y, bars, width - 12)
    if foot > BOTTOM + 36:
        canvas.text(LEFT, BOTTOM + 36, "no score: refused or failed", "tick", "start")
    places = {s.key: (LEFT - 14.0, height(y, s)) for s in roots}
    for s in shown:
        assert s.entry is not None
        at = round(LEFT + 24 + step * s.entry.number, 1)
        places[s.key] = (at, height(y, s) if s.scored else BOTTOM + 20.0)
    line = set(overview.lineage(overview.best[0].key)) if overview.best else set()
    _edges(canvas, shown, places, line)
    _draw_roots(canvas, y, roots, places)
    for s in shown:
        mark_candidate(canvas, s, places[s.key])
    _name_best(canvas, overview.best[:NAMED], places, width)
    canvas.text((LEFT + width) / 2, foot, "candidates in the order proposed", "label")
    return canvas


def _draw_bars(canvas: Canvas, y: Axis, bars: Sequence[float], right: float) -> None:
    """What a candidate has to pass."""
    for margin in bars:
        canvas.line(LEFT, y.at(margin), right, y.at(margin), "bar-line")
        canvas.text(right, y.at(margin) - 3, f"bar {margin:+.3f}", "tick", "end")


def _draw_roots(
    canvas: Canvas, y: Axis, roots: Sequence[Standing], places: Mapping[str, Point]
) -> None:
    """The built-in rules, with their gaps where they lie below the axis."""
    for s in roots:
        canvas.marker(*places[s.key], 0, "dot s0", f"{s.name}: {s.gap:+z.4f}")
    below = {s.key: f" {s.gap:+.2f}" for s in roots if s.gap < y.low}
    write_labels(
        canvas, [(places[s.key], s.name + below.get(s.key, "")) for s in roots], -10, "end"
    )


def _name_best(
    canvas: Canvas, best: Sequence[Standing], places: Mapping[str, Point], width: int
) -> None:
    """Names above their marks: the lines run on to the right of them."""
    named = [((x, y - 11), s.name) for s in best for x, y in [places[s.key]]]
    inside = [mark for mark in named if mark[0][0] + LETTER * len(mark[1]) < width]
    write_labels(canvas, inside, -4, "start")
    write_labels(canvas, [mark for mark in named if mark not in inside], 4, "end")


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
