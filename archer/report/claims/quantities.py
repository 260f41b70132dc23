"""Everything a figure might stand for, given the names it is said of.

A figure that is none of these is false however its sentence is worded; one that is any of these is
not refuted by a reading that takes it for another.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import combinations, pairwise, permutations

from archer.report.claims.figures import Figure
from archer.report.claims.table import AVERAGE, ScoreTable

MANY = 3  # names from which on differences of differences explain too much


def is_one(
    figure: Figure, table: ScoreTable, models: list[str], tasks: list[str], base: str | None
) -> bool:
    """Is the figure a quantity of these rows and columns, whichever of them it is said of?

    base: what a signed difference is to; None when that is not known.
    """
    percent = replace(figure, unit="", sign="")
    if figure.unit == "x":
        return any(percent.fits(x) == "yes" for x in _ratios(table, models, tasks))
    if is_plain(figure, table, models, tasks, base):
        return True
    others = (*_around(table, models, tasks), *_second_order(table, models, tasks))
    if not figure.sign and _fits(figure, others):
        return True
    if figure.unit != "%":
        return False
    shares = (*_ratios(table, models, tasks), *_shares(table, models, tasks))
    ways = (100 * y for x in shares for y in (x, abs(x - 1)))
    return any(percent.fits(x) == "yes" for x in ways)


def is_plain(
    figure: Figure, table: ScoreTable, models: list[str], tasks: list[str], base: str | None
) -> bool:
    """Is it a score, a difference between two models, or an extreme, of these?"""
    if _fits(figure, _scores(table, models, tasks)):
        return True
    if _fits(figure, _differences(table, models, tasks, figure.sign, base)):
        return True
    if figure.unit != "%":
        return False
    changes = (100 * abs(x - 1) for x in _ratios(table, models, tasks))
    return any(replace(figure, unit="", sign="").fits(x) == "yes" for x in changes)


def _fits(figure: Figure, values: Iterable[float]) -> bool:
    bare = replace(figure, sign="", spread=None)
    # in a list the unit may stand once, at its end: "+9.4, +1.0, -5.6 pp"
    readings = (*bare.as_fraction(), replace(bare, unit="pp").as_fraction()[0])
    return any(f.fits(abs(x)) == "yes" for x in values for f in readings)


def _columns(tasks: list[str]) -> list[tuple[str, ...]]:
    """Each task, and the mean of all."""
    singles = tuple(t for t in tasks if t != AVERAGE)
    several = [singles] if len(singles) > 1 else []
    return [(t,) for t in tasks] + several


def _scores(table: ScoreTable, models: list[str], tasks: list[str]) -> Iterator[float]:
    for column in _columns(tasks):
        yield from (table.mean(m, column) for m in models)
        ranked = sorted(table.mean(m, column) for m in table.models)
        yield from (ranked[-1], ranked[0], ranked[-1] - ranked[0])
        yield from (b - a for a, b in pairwise(ranked[-2:]))


def _differences(
    table: ScoreTable, models: list[str], tasks: list[str], sign: str, base: str | None
) -> Iterator[float]:
    """Between two models; one with a sign is to the base."""
    way = {"+": 1, "-": -1}.get(sign, 0)
    for column in _columns(tasks):
        for a, b in permutations(models, 2):
            gap = table.mean(a, column) - table.mean(b, column)
            if not way or (base in (None, b) and gap * way > 0):
                yield gap


def _around(table: ScoreTable, models: list[str], tasks: list[str]) -> Iterator[float]:
    """What the field makes of these: runners-up, means, distances to its ends."""
    for task in tasks if len(table.models) > 1 else ():
        ranked = sorted(table.score(m, task) for m in table.models)
        yield from (ranked[-2], ranked[1], ranked[1] - ranked[0], sum(ranked) / len(ranked))
        yield sum(table.score(m, task) for m in models) / max(1, len(models))
        rest = tuple(t for t in table.tasks if t != task)  # "without T the average is"
        for model in models:
            others = sorted(table.score(m, task) for m in table.models if m != model)
            mine = table.score(model, task)
            yield from (mine - others[-1], mine - others[0], mine - sum(others) / len(others))
            yield table.mean(model, rest)


def _second_order(table: ScoreTable, models: list[str], tasks: list[str]) -> Iterator[float]:
    """Differences between tasks, and between differences."""
    columns = _columns(tasks)
    for model in models:
        yield from (
            table.mean(model, c) - table.mean(model, d) for c, d in combinations(columns, 2)
        )
    pairs = list(combinations(models, 2))
    if len(models) > MANY or len(columns) > MANY:
        return

    def gap(pair: tuple[str, str], column: tuple[str, ...]) -> float:
        return table.mean(pair[0], column) - table.mean(pair[1], column)

    for p, q in combinations(pairs, 2):
        yield from (abs(gap(p, c)) - abs(gap(q, c)) for c in columns)
    for c, d in combinations(columns, 2):
        yield from (abs(gap(p, c)) - abs(gap(p, d)) for p in pairs)


def _ratios(table: ScoreTable, models: list[str], tasks: list[str]) -> Iterator[float]:
    """One score over another: of two models, of two tasks, and of what is wrong with them."""
    columns = _columns(tasks)
    for column in columns:
        for a, b in permutations([table.mean(m, column) for m in models], 2):
            yield from (a / b,) if b > 0 else ()
            yield from ((1 - a) / (1 - b),) if 0 < b < 1 else ()
    for model in models:
        for a, b in permutations([table.mean(model, c) for c in columns], 2):
            yield from (a / b,) if b > 0 else ()


def _shares(table: ScoreTable, models: list[str], tasks: list[str]) -> Iterator[float]:
    """How much of the way from one model to another a third one goes."""
    for column in _columns(tasks):
        for a, b, c in permutations([table.mean(m, column) for m in models], 3):
            yield from ((a - b) / (c - b),) if c != b else ()
