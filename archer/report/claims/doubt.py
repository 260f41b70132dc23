"""A refutation needs a full reading: what keeps a doubtful one from being pronounced."""

import re
from dataclasses import dataclass

from archer.report.claims import ratios, shapes
from archer.report.claims.clause import Clause
from archer.report.claims.figures import Figure
from archer.report.claims.grammar import triggers
from archer.report.claims.mentions import Mention
from archer.report.claims.quantities import is_one, is_plain
from archer.report.claims.rankings import PLACE, places
from archer.report.claims.statements import Statement
from archer.report.claims.table import AVERAGE, ScoreTable
from archer.report.claims.understood import settled, simple, understood
from archer.report.claims.verdict import UNCLEAR, Outcome


@dataclass(frozen=True)
class Doubted:
    """`part`, but unchecked where its refutation rests on a reading that is not the only one.

    A figure must be no score, difference or extreme of what its sentence names; a comparison
    must stand in a clause of which every word is understood.
    """

    part: Statement
    clause: Clause

    def judge(self, table: ScoreTable) -> Outcome:
        outcome = self.part.judge(table)
        if outcome.status == "refuted" and _doubtful(self.clause, outcome):
            return UNCLEAR
        return outcome


def _doubtful(clause: Clause, outcome: Outcome) -> bool:
    clear, tangled = understood(clause), _tangled(clause)
    figures = _figures(clause, outcome.stated) if isinstance(outcome.stated, float) else {}
    placed = figures and PLACE.search(clause.text)
    if clear and simple(clause) and not tangled and not placed:
        if not _of_a_score(clause, outcome.actual):
            return any(_a_score(clause, figure) for figure in figures.values())
        return any(
            _explained(clause, figure, far=not _pinned(clause, where))
            for where, figure in figures.items()
        )
    if figures:
        return any(
            not (clear and figure.unit in ("", "%") and _pinned(clause, where))
            and _explained(clause, figure, clear)
            for where, figure in figures.items()
        )
    if not clause.plain or not settled(clause) or not shapes.known(clause):
        return True
    if re.search(r"\b(?:hardly|barely|scarcely)\b", clause.text):
        return True  # "hardly better" is better, or is not
    return tangled or _crowd(clause)


def _of_a_score(clause: Clause, actual: float | str | None) -> bool:
    """Was the figure held against a score, not a difference?"""
    models, tasks = names(clause)
    scores = [clause.table.score(m, t) for m in models for t in tasks]
    return isinstance(actual, float) and any(abs(actual - x) < 1e-9 for x in scores)


def _a_score(clause: Clause, figure: Figure) -> bool:
    """Taken for a difference, but a score of the very model and task."""
    if figure.bound:
        return False
    models, tasks = names(clause)
    scores = [clause.table.score(m, t) for m in models for t in tasks]
    return any(f.fits(x) == "yes" for f in figure.as_fraction() for x in scores)


def _tangled(clause: Clause) -> bool:
    """Two places on one task, or one in an aside: which model holds which is a guess."""
    ranks, tasks = len(places(clause.text)), len(clause.tasks())
    return ranks > 1 and (tasks < ranks or bool(re.search(r"[(:]", clause.text)))


def _crowd(clause: Clause) -> bool:
    """More names or figures than a plain comparison has."""
    chain = re.search(r"M\d+ ?[><≥≤»] ?M\d|\b(?:order|ranking)\b", clause.text)
    return not chain and (len(clause.models()) > 2 or len(clause.find("N")) > 2)


def _figures(clause: Clause, stated: float) -> dict[tuple[int, int], Figure]:
    """Where the figures of the clause stand that were judged as `stated`."""
    s = clause.skeleton
    found = [((a, b), s.figures[i]) for a, b, i in clause.find("N")]
    found += [((a, b), f) for a, b, i in clause.find("R") for f in s.ranges[i]]
    return {at: f for at, f in found if _stands_for(f, stated)}


def _stands_for(figure: Figure, stated: float) -> bool:
    values = (figure.value, *(f.value for f in figure.as_fraction()))
    return any(abs(v - abs(stated)) < 1e-9 for v in values)


def _pinned(clause: Clause, at: tuple[int, int]) -> bool:
    """Its model or its task stands right beside the figure, and nothing else may be meant."""
    before, after = clause.text[: at[0]], clause.text[at[1] :]
    if any(f.unit in ("points", "pp") or f.sign for f in clause.skeleton.figures):
        return False  # perhaps a difference, its unit said elsewhere
    if any(t.sign or not t.verb for t in triggers(clause.text)) or ratios.ANY.search(
        re.sub(r"N\d+", "", clause.text)
    ):
        return False  # perhaps a difference, or one of differences
    if re.match(r"\s*(?:behind|ahead|below|above|under|over|higher|lower|better|worse)\b", after):
        return False
    tasks = {t.names for t in clause.skeleton.tasks}
    base = clause.context.base or clause.default_base(None)
    models = {m.names for m in clause.skeleton.models if m != base}
    if len(tasks) <= 1:
        of_model = re.search(r"\bM\d+ ?(?:\(|at |: ?|= ?|with |has |is at |reaches )?$", before)
        return bool(of_model or re.match(r" with M\d", after))
    beside = re.search(r"\bT\d+ ?(?:\(|: ?|at |by |= ?)?$", before)
    return len(models) <= 1 and bool(beside or re.match(r"\s*(?:on|in|for|of) T\d", after))


def _explained(clause: Clause, figure: Figure, clear: bool = True, far: bool = True) -> bool:
    """Is the figure some quantity of the names in its sentence (of the table when unclear)?

    far: differences of differences, runners-up and the like count too.
    """
    if figure.bound or (figure.unit == "x" and not clear):
        return not clear
    table, context = clause.table, clause.context
    base = context.base.single if context.base else table.baseline
    if (is_one if far else is_plain)(figure, table, *names(clause), base):
        return True
    everything = list(table.models), [*table.tasks, AVERAGE]
    return not clear and is_plain(figure, table, *everything, base)


def names(clause: Clause) -> tuple[list[str], list[str]]:
    """Models and tasks that the sentence (or what it hangs on) speaks of."""
    table, context, s = clause.table, clause.context, clause.skeleton
    models = _distinct([*s.models, context.subject, context.base])
    if table.baseline and table.baseline not in models:
        models.append(table.baseline)
    return models, _distinct([*s.tasks, context.tasks]) or [AVERAGE]


def _distinct(mentions: list[Mention | None]) -> list[str]:
    return list(dict.fromkeys(n for m in mentions if m for r in m.readings for n in r))
