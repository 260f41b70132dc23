"""A column as a whole: how far it spreads the rows, their mean on it, a gap that moves along."""

import re
from dataclasses import dataclass

from archer.report.claims.clause import Clause
from archer.report.claims.extents import Widest, Width
from archer.report.claims.figures import Figure
from archer.report.claims.statements import Statement, fit, known
from archer.report.claims.table import AVERAGE, ScoreTable
from archer.report.claims.verdict import UNCLEAR, Outcome, best_of, truth

_SPREAD = r"(?:gap|spread|range|difference|distance|margin|variation|dispersion)"
_ENDS = (
    r"(?:best|top|first|highest|strongest)[- ](?:and|to)[- ](?:the )?"
    r"(?:worst|bottom|last|lowest|weakest)"
)
_WIDEST = re.compile(
    rf"\b(?:(?P<most>largest|biggest|widest|greatest)|smallest|narrowest|tightest) (?:{_SPREAD} "
    rf"(?:between|from) {_ENDS}|(?:spread|range|variation|dispersion)\b)"
)
_BETWEEN = re.compile(rf"\bN\d+ (?:\w+ )?(?:between|from) {_ENDS}|\bbetween {_ENDS}[^MTN]* N\d+")
_MEAN = re.compile(
    r"\bT(?P<avg>\d+) (?:score )?(?:over|across|of) (?:all )?(?:the )?(?:models|rows|rules|systems|"
    r"variants|architectures|M(?P<m>\d+))\b"
)
_AT = re.compile(r"\bN(\d+) (?:on|at|for|in) T(\d+)|\bT(\d+) (?:\w+ )??(?:is |at |: ?|\()?N(\d+)")
_MOVES = re.compile(
    r"\b(?:advantage|lead|edge|margin|gap|difference|deficit|distance)(?: of)? (?:between "
    r")?M(?P<a>\d+)"
    r"(?: (?:over|to|and|on|versus) M(?P<b>\d+))? (?:(?P<up>widens|grows|increases|expands|"
    r"rises)|narrows|shrinks|closes|decreases|falls|drops)\b.*\bfrom T(?P<s>\d+) to T(?P<e>\d+)"
)


@dataclass(frozen=True)
class ColumnMean:
    """The mean of the rows on `task` is `figure`."""

    task: str
    models: tuple[str, ...]
    figure: Figure

    def judge(self, table: ScoreTable) -> Outcome:
        scores = [table.score(m, self.task) for m in self.models]
        if not known(*scores):
            return UNCLEAR
        true = sum(scores) / len(scores)
        return best_of([fit(f, true, None) for f in self.figure.as_fraction()])


@dataclass(frozen=True)
class GapMoves:
    """The distance of two models grows (or not) from one task to another."""

    model: str
    base: str
    start: str
    end: str
    grows: bool

    def judge(self, table: ScoreTable) -> Outcome:
        gaps = [
            abs(table.score(self.model, t) - table.score(self.base, t))
            for t in (self.start, self.end)
        ]
        if not known(*gaps) or self.model == self.base:
            return UNCLEAR
        return truth((gaps[1] > gaps[0]) == self.grows, None, gaps[1] - gaps[0])


def find(clause: Clause) -> list[Statement]:
    """Statements that a clause makes of columns, and of nothing else."""
    made = _spread(clause) or _means(clause) or _moves(clause)
    if made:
        clause.used |= {i for _, _, i in clause.find("N")}
        clause.taken.append((0, len(clause.text)))
    return made


def _spread(clause: Clause) -> list[Statement]:
    """ "T has the widest range, 53.2 points", "0.076 lies between the top and the bottom"."""
    match, figures, table = _WIDEST.search(clause.text), clause.find("N"), clause.table
    tasks = {t.single for _, _, t in clause.tasks() if not t.group}
    if not tasks and clause.context.tasks is not None:
        tasks = {clause.context.tasks.single}
    task = tasks.pop() if len(tasks) == 1 else None
    alone = all(m.group and m.quant == "each" for _, _, m in clause.models())
    if (
        task is None
        or not alone
        or len(figures) > 1
        or not ((match or _BETWEEN.search(clause.text)) and not clause.find("R"))
    ):
        return []
    if match and clause.context.near:
        return []
    found: list[Statement] = []
    if match and task != AVERAGE:
        widths = {t: float(table.values[t].max() - table.values[t].min()) for t in table.tasks}
        found.append(Widest(task, tuple(widths.items()), bool(match["most"])))
    if figures:
        found.append(Width(task, table.models, clause.skeleton.figures[figures[0][2]]))
    return found


def _means(clause: Clause) -> list[Statement]:
    """ "Averaged across models, accuracy is 0.960 at 2k"."""
    match, s = _MEAN.search(clause.text), clause.skeleton
    if match is None or s.tasks[int(match["avg"])].names != (AVERAGE,):
        return []
    group = s.models[int(match["m"])] if match["m"] else None
    if group and (
        not group.group or group.quant != "each" or clause.table.models not in group.readings
    ):
        return []
    found: list[Statement] = []
    for at in _AT.finditer(clause.text[match.end() :]):
        figure, task = s.figures[int(at[1] or at[4])], s.tasks[int(at[2] or at[3])].single
        if task is not None and not figure.sign and figure.unit != "x":
            found.append(ColumnMean(task, clause.table.models, figure))
    return found if len(found) == len(clause.find("N")) else []


def _moves(clause: Clause) -> list[Statement]:
    """ "The advantage of A over B narrows from 16k to 64k"."""
    match, s = _MOVES.search(clause.text), clause.skeleton
    if match is None or clause.find("N") or clause.negated(match.start()):
        return []
    names = [n for k in "ab" if match[k] for n in s.models[int(match[k])].names]
    start, end = s.tasks[int(match["s"])].single, s.tasks[int(match["e"])].single
    if len(names) != 2 or start is None or end is None:
        return []
    return [GapMoves(names[0], names[1], start, end, bool(match["up"]))]
