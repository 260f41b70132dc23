"""Typed statements about the table. Each judges itself."""

from dataclasses import dataclass
from typing import Protocol

from archer.report.claims.figures import Figure
from archer.report.claims.table import ScoreTable
from archer.report.claims.verdict import UNCLEAR, Outcome, best_of, truth

TIE = 5e-5


SMALL = 0.005


NOT_LARGE = 0.05


class Statement(Protocol):
    """Something that is true or false of a table."""

    def judge(self, table: ScoreTable) -> Outcome: ...


def known(*numbers: float) -> bool:
    return all(number == number for number in numbers)


def fit(figure: Figure, true: float, note: str | None, *, signed: bool = False) -> Outcome:
    stated = figure.signed if signed else figure.value
    fit = figure.fits(true, signed=signed)
    if fit == "rounding":
        return Outcome("rounding", stated, true, note)
    return truth(fit == "yes", stated, true, note)


@dataclass(frozen=True)
class Value:
    """`model` scores `figure` on `task`."""

    model: str
    task: str
    figure: Figure

    def judge(self, table: ScoreTable) -> Outcome:
        true = table.score(self.model, self.task)
        if not known(true):
            return UNCLEAR
        outcome = best_of([fit(f, true, None, signed=True) for f in self.figure.as_fraction()])
        if self.figure.spread is None or outcome.status != "confirmed":
            return outcome
        return self._spread(table, outcome)

    def _spread(self, table: ScoreTable, outcome: Outcome) -> Outcome:
        """The number behind +-: any of the usual spreads; unknown without seeds."""
        known_spreads = table.details.spreads(self.model, self.task)
        stated = self.figure.spread or 0.0
        scale = 100 if self.figure.unit == "%" or self.figure.value > 1.5 else 1
        half = 0.5 * 10.0**-self.figure.decimals
        if not known_spreads or any(abs(s * scale - stated) <= half * 1.01 for s in known_spreads):
            return outcome
        return Outcome("refuted", stated, known_spreads[0] * scale, "the spread behind ±")


@dataclass(frozen=True)
class Group:
    """The mean of `model` over several tasks is `figure`."""

    model: str
    tasks: tuple[str, ...]
    figure: Figure

    def judge(self, table: ScoreTable) -> Outcome:
        true = table.mean(self.model, self.tasks)
        if not known(true):
            return UNCLEAR
        return best_of([fit(f, true, None) for f in self.figure.as_fraction()])


@dataclass(frozen=True)
class Change:
    """`model` differs from `base` on `task` by `figure`; direction +1, -1, or 0 for unsaid."""

    model: str
    base: str
    task: str
    figure: Figure
    direction: int = 0

    def judge(self, table: ScoreTable) -> Outcome:
        new, old = table.score(self.model, self.task), table.score(self.base, self.task)
        if not known(new, old) or self.model == self.base:
            return UNCLEAR
        note = table.note(self.model, self.base, self.task)
        readings = [self._fit(f, new - old, note) for f in self._absolute()]
        if self.figure.unit == "%" and old > 0 and new > 0:
            relative = Figure(
                self.figure.value,
                self.figure.decimals,
                "",
                self.figure.sign,
                self.figure.approx,
                self.figure.bound,
            )
            readings.append(self._fit(relative, 100 * (new - old) / old, note))
            if self.direction == 0 and not self.figure.sign:
                readings.append(self._fit(relative, 100 * (old - new) / new, note))
        return best_of(readings)

    def _absolute(self) -> tuple[Figure, ...]:
        return self.figure.as_fraction()

    def _fit(self, figure: Figure, difference: float, note: str | None) -> Outcome:
        if self.direction:
            return fit(figure, self.direction * difference, note)
        if figure.sign:
            return fit(figure, difference, note, signed=True)
        return fit(figure, abs(difference), note)


@dataclass(frozen=True)
class Order:
    """`model` is above (sign +1) or below (-1) `base` on `task`; strong: by far."""

    model: str
    base: str
    task: str
    sign: int
    strong: bool = False

    def judge(self, table: ScoreTable) -> Outcome:
        new, old = table.score(self.model, self.task), table.score(self.base, self.task)
        if not known(new, old) or self.model == self.base:
            return UNCLEAR
        gap = self.sign * (new - old)
        note = table.note(self.model, self.base, self.task)
        if self.strong and 0 < gap < SMALL:
            return truth(False, None, new - old, note or "the difference is below 0.005")
        return truth(gap > 0, None, new - old, note)


@dataclass(frozen=True)
class NotAbove:
    """A difference in the direction `sign` is absent: the other way, or too small to speak of."""

    model: str
    base: str
    task: str
    sign: int
    strong: bool = False

    def judge(self, table: ScoreTable) -> Outcome:
        gap = table.score(self.model, self.task) - table.score(self.base, self.task)
        if not known(gap) or self.model == self.base:
            return UNCLEAR
        note = table.note(self.model, self.base, self.task)
        if self.strong and SMALL <= self.sign * gap < NOT_LARGE:
            return Outcome("unchecked", None, gap, note)
        return truth(self.sign * gap < SMALL, None, gap, note)


@dataclass(frozen=True)
class Same:
    """`model` and `base` are alike on `task`: surely within `close`, surely not beyond `far`."""

    model: str
    base: str
    task: str
    close: float = 0.01
    far: float = 0.01

    def judge(self, table: ScoreTable) -> Outcome:
        gap = table.score(self.model, self.task) - table.score(self.base, self.task)
        if not known(gap) or self.model == self.base:
            return UNCLEAR
        note = table.note(self.model, self.base, self.task)
        if note == "identical-by-construction" and abs(gap) > self.close:
            return Outcome("unchecked", None, gap, note)  # the same model, two noisy numbers
        if self.close < abs(gap) <= self.far:
            return Outcome("unchecked", None, gap, note)
        return truth(abs(gap) <= self.close, None, gap, note)


@dataclass(frozen=True)
class SameGraph:
    """`model` and `base` are one function on `task`, whatever their numbers."""

    model: str
    base: str
    task: str

    def judge(self, table: ScoreTable) -> Outcome:
        if not table.identical(self.model, self.base, self.task):
            return UNCLEAR
        return truth(True, None, None, "identical-by-construction")


@dataclass(frozen=True)
class Rank:
    """`model` is number `place` on `task` among `among` (from the bottom when negative)."""

    model: str
    task: str
    place: int
    among: tuple[str, ...]

    def judge(self, table: ScoreTable) -> Outcome:
        rivals = [m for m in self.among if m != self.model]
        mine = table.score(self.model, self.task)
        others = [table.score(m, self.task) for m in rivals]
        if not known(mine, *others) or not rivals or abs(self.place) > len(rivals) + 1:
            return UNCLEAR
        way = 1 if self.place > 0 else -1
        above = sum(way * (other - mine) > TIE for other in others)
        level = sum(abs(other - mine) <= TIE for other in others)
        ordered = sorted(self.among, key=lambda m: -way * table.score(m, self.task))
        holder = ordered[abs(self.place) - 1]
        holds = above + 1 <= abs(self.place) <= above + 1 + level
        note = None if holds else f"{holder} has {table.score(holder, self.task):.4f}"
        return truth(holds, self.model, self.model if holds else holder, note)
