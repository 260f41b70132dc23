"""A refutation needs a full reading: what keeps a doubtful one from being pronounced."""

import re
from dataclasses import dataclass, replace

from archer.report.claims import ratios
from archer.report.claims.clause import Clause
from archer.report.claims.figures import Figure
from archer.report.claims.grammar import triggers
from archer.report.claims.mentions import Mention
from archer.report.claims.quantities import is_one, is_plain
from archer.report.claims.rankings import PLACE, places
from archer.report.claims.statements import Statement
from archer.report.claims.table import AVERAGE, ScoreTable
from archer.report.claims.understood import readable, simple, understood
from archer.report.claims.verdict import UNCLEAR, Outcome

OTHER_WAY = 0.0011
_SHARE = re.compile(r"\b(?:keep|kept|retain|preserv|recover|lost|los|shed)\w*\s*$")
_RANGES = re.compile(r"\b(?:rang|span|run|spread|extend|stretch)\w*(?: from| between| over)?\s*$")
_SIDE = re.compile(
    r"\bN(\d+) (?:above|below|ahead|behind|better|worse|higher|lower|over|under|more|less)\b"
)
_HAS = (
    r"(?:\s|\(|:|=|T\d+|(?:at|with|has|is|of|by|scor\w+|reach\w*|get|gets|achiev\w+|posts?|"
    r"records?|obtains?|manages?|stands?|sits?|hits?|attains?|finish\w*|lands?|only|just|both|all|"
    r"each)\b)*"
)


@dataclass(frozen=True)
class Doubted:
    """`part`, but unchecked where its refutation rests on a reading that is not the only one.

    A figure must be no score, difference or extreme of what its sentence names, or have its name
    right beside it; a comparison must stand in a clause whose words do not limit or turn it.
    """

    part: Statement
    clause: Clause

    def judge(self, table: ScoreTable) -> Outcome:
        outcome = self.part.judge(table)
        if outcome.status == "refuted" and _doubtful(self.clause, outcome):
            return UNCLEAR
        return outcome


def _one_sided(clause: Clause) -> bool:
    """ "At most 0.06 above": it may be below."""
    figures = clause.skeleton.figures
    return any(figures[int(side[1])].bound == "<" for side in _SIDE.finditer(clause.text))


def _doubtful(clause: Clause, outcome: Outcome) -> bool:
    if _one_sided(clause):
        return True
    clear, tangled = understood(clause), _tangled(clause)
    figures = _figures(clause, outcome.stated) if isinstance(outcome.stated, float) else {}
    placed = figures and PLACE.search(clause.text)
    if _other_way(outcome) or not (figures or (clear and simple(clause))):
        return not (clause.plain and readable(clause)) or tangled or _crowd(clause)
    if clear and simple(clause) and not tangled and not placed:
        return _of_a_score(clause, outcome.actual) and any(
            not _pinned(clause, where) and _explained(clause, figure)
            for where, figure in figures.items()
        )
    trusted = clear or readable(clause)
    return any(
        not (trusted and _like_a_score(figure) and _pinned(clause, where))
        and _explained(clause, figure, clear)
        for where, figure in figures.items()
    )


def _like_a_score(figure: Figure) -> bool:
    return figure.bare or figure.unit in ("", "%")


def _other_way(outcome: Outcome) -> bool:
    """The right difference with the wrong sign: the comparison is false, not the figure."""
    stated, actual = outcome.stated, outcome.actual
    signed = isinstance(stated, float) and isinstance(actual, float) and stated * actual < 0
    return signed and abs(float(stated or 0) + float(actual or 0)) < OTHER_WAY


def _of_a_score(clause: Clause, actual: float | str | None) -> bool:
    """Was the figure held against a score, not a difference?"""
    models, tasks = names(clause)
    scores = [clause.table.score(m, t) for m in models for t in tasks]
    return isinstance(actual, float) and any(abs(actual - x) < 1e-9 for x in scores)


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
    if any(f.sign or not _like_a_score(f) for f in clause.skeleton.figures):
        return False  # perhaps a difference, its unit said elsewhere
    if any(t.sign or not t.verb for t in triggers(clause.text)) or ratios.ANY.search(
        re.sub(r"N\d+", "", clause.text)
    ):
        return False  # perhaps a difference, or one of differences
    tasks = {t.names for t in clause.skeleton.tasks}
    base = clause.context.base or clause.default_base(None)
    models = {m.names for m in clause.skeleton.models if m != base}
    if not clause.models() and _RANGES.search(before):
        return True
    if re.match(r"\s*of\b", after) and _SHARE.search(before):
        return False  # "keeps 98 % of T"
    single = all(m.single for m in clause.skeleton.spoken("M"))
    if len(models) <= 1 and single and not re.match(r", N\d", after):
        beside = re.search(rf"\bT\d+{_HAS}$", before)
        if beside or re.match(r"\s*(?:on|in|for|of) T\d", after):
            return True
    if len(tasks) > 1:
        return False
    of_model = re.search(rf"\bM\d+{_HAS}$", before)
    if of_model:
        return not re.match(r",? ?(?:(?:and|vs\.?|versus|against|or|to|/) ?)?N\d", after)
    return bool(re.match(r" ?(?:\(|with|for|by|from|under) ?M\d", after))


def _explained(clause: Clause, figure: Figure, clear: bool = True, far: bool = True) -> bool:
    """Is the figure some quantity of the names in its sentence (of the table when unclear)?

    far: differences of differences, runners-up and the like count too.
    """
    if figure.bound or (figure.unit == "x" and not clear):
        return not clear
    figure = without_way(figure, clause)
    table, context = clause.table, clause.context
    base = context.base.single if context.base else table.baseline
    if (is_one if far else is_plain)(figure, table, *names(clause), base):
        return True
    everything = list(table.models), [*table.tasks, AVERAGE]
    return not clear and is_plain(figure, table, *everything, base)


def without_way(figure: Figure, clause: Clause) -> Figure:
    """A signed figure is a difference between tasks only where the text goes to one from one."""
    moves = re.search(r"\b(?:from|between) T\d", clause.text)
    return replace(figure, sign="") if moves else figure


def names(clause: Clause) -> tuple[list[str], list[str]]:
    """Models and tasks that the sentence (or what it hangs on) speaks of."""
    table, context, s = clause.table, clause.context, clause.skeleton
    models = _distinct([*s.spoken("M"), context.subject, context.base])
    if table.baseline and table.baseline not in models:
        models.append(table.baseline)
    return models, _distinct([*s.spoken("T"), context.tasks]) or [AVERAGE]


def _distinct(mentions: list[Mention | None]) -> list[str]:
    return list(dict.fromkeys(n for m in mentions if m for r in m.readings for n in r))
