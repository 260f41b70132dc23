"""One model on two tasks: "loses 0.452 from 2k to 64k", "keeps 93 % of its 2k score at 64k"."""

import re
from dataclasses import dataclass

from archer.report.claims.clause import Clause
from archer.report.claims.combine import Any, Guarded
from archer.report.claims.figures import Figure
from archer.report.claims.grammar import triggers
from archer.report.claims.roles import inherited_subject
from archer.report.claims.statements import Change, Statement, fit, known
from archer.report.claims.table import ScoreTable
from archer.report.claims.verdict import UNCLEAR, Outcome, best_of, truth

_IN = r"(?:on|at|in|for|by)"
_WAY = re.compile(
    r"\bfrom T(?P<a>\d+) (?:(?:up|down|all way) )?(?:to|until|through) T(?P<b>\d+)|"
    r"\bbetween T(?P<both>\d+)|"
    r"\b(?:of|off) (?:its |their )?T(?P<c>\d+) (?:\w+ )?(?:on way to|by|when \w+ing|at) T(?P<d>\d+)"
)
_KEPT = re.compile(
    rf"\b(?:keep\w*|kept|retain\w*|preserv\w*|holds? on to) N(?P<n>\d+) of (?:its |their |what it "
    rf"\w+ {_IN} )?T(?P<a>\d+)(?: \w+)?(?: (?:when |even |still )?(?:{_IN}|until|up to) "
    rf"T(?P<b>\d+))?"
)
_THAN = re.compile(
    rf"(?P<word>better|higher|stronger|worse|lower|weaker) {_IN} T(\d+) than {_IN} T(\d+)"
)


@dataclass(frozen=True)
class Across:
    """`model` differs on task `end` from task `start` by `figure`; direction +1, -1 or 0."""

    model: str
    start: str
    end: str
    figure: Figure
    direction: int

    def judge(self, table: ScoreTable) -> Outcome:
        old, new = table.score(self.model, self.start), table.score(self.model, self.end)
        if not known(old, new):
            return UNCLEAR
        way = self.direction or (1 if new > old else -1)
        readings = [fit(f, way * (new - old), None) for f in self.figure.as_fraction()]
        if self.figure.unit == "%" and old > 0:
            plain = Figure(self.figure.value, self.figure.decimals, approx=self.figure.approx)
            readings.append(fit(plain, way * 100 * (new - old) / old, None))
        return best_of(readings)


@dataclass(frozen=True)
class Kept:
    """`model` scores `figure` percent of its score on `start` on `end`."""

    model: str
    start: str
    end: str
    figure: Figure

    def judge(self, table: ScoreTable) -> Outcome:
        old, new = table.score(self.model, self.start), table.score(self.model, self.end)
        if not known(old, new) or old <= 0:
            return UNCLEAR
        return best_of([fit(f, new / old, None) for f in self.figure.as_fraction()])


@dataclass(frozen=True)
class Easier:
    """`model` scores more on `task` than on `other`."""

    model: str
    task: str
    other: str

    def judge(self, table: ScoreTable) -> Outcome:
        gap = table.score(self.model, self.task) - table.score(self.model, self.other)
        return truth(gap > 0, None, gap) if known(gap) else UNCLEAR


def find(clause: Clause) -> list[Statement]:
    """Full readings of a clause with one model, two tasks and one figure at most."""
    model, figures = _model(clause), clause.find("N")
    if model is None or len(figures) > 1 or clause.find("R"):
        return []
    made = _kept(clause, model) or _moved(clause, model) or _easier(clause, model)
    if made:
        clause.used |= {i for _, _, i in figures}
        clause.taken.append((0, len(clause.text)))
    return made


def _model(clause: Clause) -> str | None:
    named = {m.single for _, _, m in clause.models()}
    if len(named) > 1:
        return None
    subject = inherited_subject(clause)
    return named.pop() if named else subject.single if subject else None


def _task(clause: Clause, index: str | None) -> str | None:
    return clause.skeleton.tasks[int(index)].single if index else None


def _moved(clause: Clause, model: str) -> list[Statement]:
    match, figures = _WAY.search(clause.text), clause.find("N")
    if match is None or not figures or len(clause.tasks()) > 2:
        return []
    ends = [t for k in "abcd" if (t := _task(clause, match[k]))]
    if match["both"]:
        ends = list(clause.skeleton.tasks[int(match["both"])].names)
    until = re.split(r"\b(?:before|after|until|then|since)\b", clause.text)[0]
    signs = {t.sign for t in triggers(until) if t.sign}
    figure = clause.skeleton.figures[figures[0][2]]
    if len(ends) != 2 or len(signs) > 1 or figure.unit == "x" or figure.bound:
        return []
    sign = 0 if figure.sign else next(iter(signs), 0)
    if not signs and not figure.sign:
        return []
    made = Across(model, ends[0], ends[1], figure, {"+": 1, "-": -1}.get(figure.sign, sign))
    base = clause.default_base(None)
    if base is None or base.single in (None, model):
        return [made]
    others = tuple(Change(model, str(base.single), t, figure) for t in ends)
    return [Guarded(made, Any(others))]


def _kept(clause: Clause, model: str) -> list[Statement]:
    match = _KEPT.search(clause.text)
    if match is None:
        return []
    start, end = _task(clause, match["a"]), _task(clause, match["b"])
    rest = [t.single for _, _, t in clause.tasks() if t.single != start]
    end = end or (rest[0] if len(rest) == 1 else None)
    figure = clause.skeleton.figures[int(match["n"])]
    if start is None or end is None or len(rest) > 1 or figure.unit != "%":
        return []
    return [Kept(model, start, end, figure)]


def _easier(clause: Clause, model: str) -> list[Statement]:
    match = _THAN.search(clause.text)
    if match is None or clause.find("N") or clause.negated(match.start()):
        return []
    first, second = _task(clause, match[2]), _task(clause, match[3])
    if first is None or second is None or len(clause.tasks()) > 2:
        return []
    if match["word"] in ("worse", "lower", "weaker"):
        first, second = second, first
    return [Easier(model, first, second)]
