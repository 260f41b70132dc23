"""Typed statements about single seeds of a cell. Each judges itself, against the trials."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from archer.report.claims.figures import Figure
from archer.report.claims.picks import Pick
from archer.report.claims.statements import fit
from archer.report.claims.table import AVERAGE, ScoreTable
from archer.report.claims.verdict import UNCLEAR, Outcome, best_of, truth

HALF_DIGIT = 6e-4  # a table may give its means in three digits
SOLVED, UNSOLVED = 0.9, 0.7  # surely solved from here, surely not below there
STATUSES = ("confirmed", "rounding", "unchecked", "refuted")


def by_seed(table: ScoreTable, model: str, task: str) -> dict[int, float]:
    """Scores by seed, in order; of the average their mean over tasks. Empty where nothing is known,
    or where the table's score is not the mean of what is."""
    tasks = table.tasks if task == AVERAGE else (task,)
    cells = [table.details.cell(model, t) for t in tasks]
    common = set.intersection(*(set(cell.index) for cell in cells))
    found = {int(s): float(np.mean([cell[s] for cell in cells])) for s in sorted(common)}
    off = abs(np.mean(list(found.values())) - table.score(model, task)) if found else np.inf
    return found if off <= HALF_DIGIT else {}


def scores(pick: Pick, seeds: dict[int, float]) -> list[float] | None:
    """Those picked, named ones in the order named; None for seeds that are not there."""
    if pick.named:
        return [seeds[n] for n in pick.named] if set(pick.named) <= set(seeds) else None
    ranked = sorted(seeds.values())
    if pick.kind == "median":
        return [float(np.median(ranked))]
    return {"best": ranked[-1:], "worst": ranked[:1]}.get(pick.kind, ranked)


def fits(figure: Figure, true: float) -> Outcome:
    return best_of([fit(f, true, None, signed=True) for f in figure.as_fraction()])


def worst_of(outcomes: Sequence[Outcome]) -> Outcome:
    return max(outcomes, key=lambda o: STATUSES.index(o.status))


def wrong_seeds(pick: Pick, seeds: dict[int, float]) -> Outcome | None:
    """A number of seeds, or a seed, that is not the table's."""
    if pick.of not in (None, len(seeds)):
        return Outcome("refuted", float(pick.of or 0), float(len(seeds)), "the number of seeds")
    if scores(pick, seeds) is None:
        return Outcome("refuted", str(pick.named), str(tuple(seeds)), "the seeds there are")
    return None


@dataclass(frozen=True)
class Scores:
    """The picked seeds score `figures`: one for all, one each for named ones, else in any order."""

    model: str
    task: str
    pick: Pick
    figures: tuple[Figure, ...]
    ordered: bool = False

    def judge(self, table: ScoreTable) -> Outcome:
        seeds = by_seed(table, self.model, self.task)
        if not seeds:
            return UNCLEAR
        wrong, true = wrong_seeds(self.pick, seeds), scores(self.pick, seeds)
        if wrong or true is None:
            return wrong or UNCLEAR
        if len(self.figures) == 1 and self.pick.kind != "count":
            return worst_of([fits(self.figures[0], x) for x in true])
        if self.pick.named or self.ordered:
            return self._each(list(seeds.values()) if self.ordered else true)
        rising = sorted(self.figures, key=lambda f: f.as_fraction()[0].signed)
        if len(rising) != len(true) and self.pick.kind != "count":
            return truth(False, float(len(rising)), float(len(true)), "the number of seeds")
        subsets = [list(c) for c in combinations(sorted(true), len(rising))]
        return best_of([_pairs(rising, c) for c in subsets]) if subsets else truth(False)

    def _each(self, true: list[float]) -> Outcome:
        return _pairs(self.figures, true) if len(true) == len(self.figures) else UNCLEAR


def _pairs(figures: Sequence[Figure], true: Sequence[float]) -> Outcome:
    return worst_of([fits(f, x) for f, x in zip(figures, true, strict=True)])


@dataclass(frozen=True)
class HowMany:
    """As many seeds as picked are within `figure`, a bound; or solve the task (None), or do not."""

    model: str
    task: str
    pick: Pick
    figure: Figure | None
    solved: bool = True

    def judge(self, table: ScoreTable) -> Outcome:
        seeds = by_seed(table, self.model, self.task)
        wrong = wrong_seeds(self.pick, seeds) if seeds else None
        if not seeds or wrong:
            return wrong or UNCLEAR
        found = [self._holds(x) for x in (scores(self.pick, seeds) or [])]
        return count(self.pick, found)

    def _holds(self, score: float) -> bool | None:
        """None: too close to say."""
        if self.figure is not None:
            status = fits(self.figure, score).status
            return None if status == "rounding" else status == "confirmed"
        if UNSOLVED <= score < SOLVED:
            return None
        return (score >= SOLVED) is self.solved


def count(pick: Pick, found: Sequence[bool | None]) -> Outcome:
    """Do as many hold as picked?"""
    sure, perhaps = sum(x is True for x in found), sum(x is not False for x in found)
    least, most = pick.least, pick.most
    if pick.kind != "count":
        least = most = 0 if pick.kind == "none" else len(found)
    if perhaps < least or (most is not None and sure > most):
        return truth(False, float(least), float(sure), "the seeds of which it holds")
    enough = sure >= least and perhaps <= (least if most is None else most)
    return truth(True, float(least), float(sure)) if enough else UNCLEAR
