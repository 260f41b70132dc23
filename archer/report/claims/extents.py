"""Typed statements about many rows or columns at once. Each judges itself."""

from dataclasses import dataclass

from archer.report.claims.figures import Figure
from archer.report.claims.statements import TIE, fit, known
from archer.report.claims.table import ScoreTable
from archer.report.claims.verdict import UNCLEAR, Outcome, best_of, truth


@dataclass(frozen=True)
class Between:
    """A score, or its difference to `base` in the direction given, lies between two figures."""

    model: str
    base: str | None
    task: str
    low: Figure
    high: Figure
    direction: int = 0

    def judge(self, table: ScoreTable) -> Outcome:
        true = table.score(self.model, self.task)
        note = None
        if self.base is not None:
            true -= table.score(self.base, self.task)
            note = table.note(self.model, self.base, self.task)
            true = true * self.direction if self.direction else abs(true)
        if not known(true) or self.model == self.base:
            return UNCLEAR
        low, high = self.low.as_fraction()[0], self.high.as_fraction()[0]
        ends = sorted((low.value, high.value))
        slack = 10.0 ** -min(low.decimals, high.decimals) / 2 + 1e-9
        if low.approx or high.approx:
            slack *= 2
        stated = f"{ends[0]:g} to {ends[1]:g}"
        return truth(ends[0] - slack <= true <= ends[1] + slack, stated, true, note)


@dataclass(frozen=True)
class Widest:
    """`answer` is the option with the largest (or smallest) of the named quantities."""

    answer: str
    options: tuple[tuple[str, float], ...]
    largest: bool = True

    def judge(self, table: ScoreTable) -> Outcome:
        sizes = dict(self.options)
        if self.answer not in sizes or not known(*sizes.values()) or len(sizes) < 2:
            return UNCLEAR
        holder = (max if self.largest else min)(sizes, key=lambda name: sizes[name])
        holds = abs(sizes[holder] - sizes[self.answer]) <= TIE
        note = None if holds else f"{holder}: {sizes[holder]:.4f}"
        return truth(holds, self.answer, self.answer if holds else holder, note)


@dataclass(frozen=True)
class Extreme:
    """The best (or the lowest) score of the models on `task` is `figure`."""

    task: str
    models: tuple[str, ...]
    figure: Figure
    best: bool = True

    def judge(self, table: ScoreTable) -> Outcome:
        scores = [table.score(m, self.task) for m in self.models]
        if not known(*scores):
            return UNCLEAR
        true = max(scores) if self.best else min(scores)
        return best_of([fit(f, true, None) for f in self.figure.as_fraction()])


@dataclass(frozen=True)
class Spread:
    """The scores on a task (or of a model) run from `low` to `high`."""

    cells: tuple[tuple[str, str], ...]
    low: Figure
    high: Figure

    def judge(self, table: ScoreTable) -> Outcome:
        scores = [table.score(m, t) for m, t in self.cells]
        if not known(*scores):
            return UNCLEAR
        low, high = sorted(
            (self.low.as_fraction()[0], self.high.as_fraction()[0]), key=lambda f: f.value
        )
        ends = [fit(low, min(scores), None), fit(high, max(scores), None)]
        worst = max(
            ends, key=lambda o: ("confirmed", "unchecked", "rounding", "refuted").index(o.status)
        )
        return worst


@dataclass(frozen=True)
class Width:
    """The best and the worst of the models lie `figure` apart on `task`."""

    task: str
    models: tuple[str, ...]
    figure: Figure

    def judge(self, table: ScoreTable) -> Outcome:
        scores = [table.score(m, self.task) for m in self.models]
        if not known(*scores):
            return UNCLEAR
        width = max(scores) - min(scores)
        return best_of([fit(f, width, None) for f in self.figure.as_fraction()])
