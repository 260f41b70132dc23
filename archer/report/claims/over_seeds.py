"""Typed statements about all seeds of a cell, or of two: extents, pairs, which one is best."""

from dataclasses import dataclass

from archer.report.claims.by_seed import by_seed, count, fits, scores, worst_of, wrong_seeds
from archer.report.claims.figures import Figure
from archer.report.claims.picks import Pick
from archer.report.claims.statements import TIE
from archer.report.claims.table import ScoreTable
from archer.report.claims.verdict import UNCLEAR, Outcome, truth


@dataclass(frozen=True)
class Extent:
    """The scores run from `low` to `high`; loose: they lie between them."""

    model: str
    task: str
    pick: Pick
    low: Figure
    high: Figure
    loose: bool = False

    def judge(self, table: ScoreTable) -> Outcome:
        seeds = by_seed(table, self.model, self.task)
        wrong = wrong_seeds(self.pick, seeds) if seeds else None
        if not seeds or wrong:
            return wrong or UNCLEAR
        ends = sorted((self.low, self.high), key=lambda f: f.as_fraction()[0].value)
        found = worst_of(
            [fits(f, end(seeds.values())) for f, end in zip(ends, (min, max), strict=True)]
        )
        low, high = (f.as_fraction()[0].value for f in ends)
        inside = all(low - TIE <= x <= high + TIE for x in seeds.values())
        return UNCLEAR if self.loose and inside and found.status != "confirmed" else found


@dataclass(frozen=True)
class Apart:
    """The best and the worst of the seeds lie `figure` apart."""

    model: str
    task: str
    pick: Pick
    figure: Figure

    def judge(self, table: ScoreTable) -> Outcome:
        seeds = by_seed(table, self.model, self.task)
        wrong = wrong_seeds(self.pick, seeds) if seeds else None
        if not seeds or wrong:
            return wrong or UNCLEAR
        return fits(self.figure, max(seeds.values()) - min(seeds.values()))


@dataclass(frozen=True)
class Ahead:
    """`model` is above (sign +1) or below `base` under as many common seeds as picked."""

    model: str
    base: str
    task: str
    pick: Pick
    sign: int

    def judge(self, table: ScoreTable) -> Outcome:
        a, b = by_seed(table, self.model, self.task), by_seed(table, self.base, self.task)
        common = {s: self.sign * (a[s] - b[s]) for s in a if s in b}
        if not common or len(a) != len(b) or self.model == self.base:
            return UNCLEAR
        wrong = wrong_seeds(self.pick, common)
        if wrong:
            return wrong
        return count(self.pick, [x > 0 for x in scores(self.pick, common) or []])


@dataclass(frozen=True)
class Which:
    """The best or the worst of the seeds is the one named."""

    model: str
    task: str
    named: Pick
    place: Pick

    def judge(self, table: ScoreTable) -> Outcome:
        seeds = by_seed(table, self.model, self.task)
        if not seeds:
            return UNCLEAR
        wrong = wrong_seeds(self.named, seeds) or wrong_seeds(self.place, seeds)
        mine, held = scores(self.named, seeds), scores(self.place, seeds)
        if wrong or mine is None or held is None or len(seeds) < 2:
            return wrong or UNCLEAR
        return truth(abs(mine[0] - held[0]) <= TIE, mine[0], held[0])


@dataclass(frozen=True)
class SeedsAre:
    """The table's means are over `many` seeds."""

    many: int

    def judge(self, table: ScoreTable) -> Outcome:
        known = table.details.many
        return truth(known == self.many, float(self.many), float(known)) if known else UNCLEAR
