"""Figures that no reading has placed: false when nothing in the table is that number."""

from collections.abc import Iterator
from dataclasses import dataclass

from archer.report.claims.clause import Clause
from archer.report.claims.doubt import names, without_way
from archer.report.claims.figures import Figure
from archer.report.claims.quantities import is_one, is_plain
from archer.report.claims.statements import Statement
from archer.report.claims.table import AVERAGE, ScoreTable
from archer.report.claims.verdict import UNCLEAR, Outcome


@dataclass(frozen=True)
class Stray:
    """`figure` is some score or difference of the rows and columns its sentence names."""

    figure: Figure
    models: tuple[str, ...]
    tasks: tuple[str, ...]
    base: str | None

    def judge(self, table: ScoreTable) -> Outcome:
        models, tasks = list(self.models), list(self.tasks)
        every = list(table.models), [*table.tasks, AVERAGE]
        if is_one(self.figure, table, models, tasks, self.base):
            return UNCLEAR
        if is_plain(self.figure, table, *every, None):
            return UNCLEAR
        return Outcome("refuted", self.figure.signed, None, "no score or difference of the table")


def find(clause: Clause, placed: list[Outcome]) -> Iterator[Statement]:
    """One statement for each precise figure that no outcome speaks of."""
    s = clause.skeleton
    spoken = {o.stated for o in placed if o.status != "unchecked"}
    if not s.models or not (s.tasks or clause.context.tasks):
        return
    models, tasks = names(clause)
    base = clause.context.base.single if clause.context.base else clause.table.baseline
    for _, _, index in clause.find("N"):
        figure = without_way(s.figures[index], clause)
        mine = {f.value for f in figure.as_fraction()} | {f.signed for f in figure.as_fraction()}
        if _precise(figure) and not mine & spoken:
            yield Stray(figure, tuple(models), tuple(tasks), base)


def _precise(figure: Figure) -> bool:
    """Too many digits for a threshold or a round number."""
    if figure.bound or figure.approx or figure.unit == "x":
        return False
    return figure.as_fraction()[0].decimals >= 3
