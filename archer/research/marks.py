"""What the pictures of a search share: marks of candidates, names beside them, a scale of gaps."""

from collections.abc import Sequence

from archer.report.svg import Axis, Canvas, ticks
from archer.research.overview import Standing

MARK = {"promoted": 0, "weeded": 1, "trains": 1, "failed": 3, "refused": 2, "waiting": 1}
Point = tuple[float, float]


def mark_candidate(canvas: Canvas, s: Standing, place: Point) -> None:
    assert s.entry is not None
    kinds = {"promoted": "dot s3", "weeded": "dot s1", "trains": "dot s1"}
    kind = kinds.get(s.entry.outcome, "dot hollow")
    canvas.marker(*place, MARK[s.entry.outcome], kind, tooltip(s))


def tooltip(s: Standing) -> str:
    if s.entry is None:
        return f"{s.name}: {s.gap:+z.4f} against delta"
    gap = f"{s.gap:+z.4f} against delta, " if s.scored else ""
    return f"{s.entry.id} {s.name}: {gap}{s.entry.outcome}. {s.entry.reason}"[:300]


def write_labels(
    canvas: Canvas, marks: Sequence[tuple[Point, str]], shift: float, anchor: str
) -> None:
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


def gap_range(gaps: Sequence[float]) -> tuple[float, float]:
    """Ends of an axis of gaps; what lies far below is drawn on its floor."""
    high = max([0.0, *gaps])
    spread = max(0.02, high)
    low = max(min([0.0, *gaps]), -2 * spread)
    room = 0.08 * (high - low + 1e-9) + 0.002
    return low - room, high + room


def height(y: Axis, s: Standing) -> float:
    return y.at(max(s.gap, y.low))


def draw_scale(canvas: Canvas, y: Axis, left: float, right: float, *, inside: bool = False) -> None:
    """Lines at round gaps. inside: words stand on them at the right; names stand at the left."""
    for tick in ticks(y.low, y.high, 6):
        canvas.line(left, y.at(tick), right, y.at(tick), "grid" if tick else "zero")
        words = f"{tick:+g}" if tick else "delta"
        at = (right, y.at(tick) - 3) if inside else (left - 6, y.at(tick) + 4)
        canvas.text(*at, words, "tick", "end")
