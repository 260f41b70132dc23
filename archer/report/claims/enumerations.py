"""Scores in a row: "A 0.62, B 0.71, C 0.65", "M: 0.44 / 0.99 / 0.26": most show how to read all.

Such a list is read whatever words stand around it. It refutes a figure only when most of the others
are true under the same reading.
"""

import re
from dataclasses import dataclass

from archer.report.claims.clause import Clause
from archer.report.claims.figures import Figure
from archer.report.claims.statements import Statement, Value
from archer.report.claims.table import AVERAGE, ScoreTable
from archer.report.claims.verdict import UNCLEAR, Outcome

_SEPARATOR = r"(?:,? (?:and |with )?|; ?|\. |/ ?| / )?"
_PAIRS = re.compile(
    rf"(?:\b[MT]\d+ ?(?:at |with |has |: ?|= ?|\()?N\d+\)?{_SEPARATOR}){{3,}}", re.IGNORECASE
)
_PAIR = re.compile(r"\b([MT])(\d+) ?(?:at |with |has |: ?|= ?|\()?N(\d+)")
_BARE = re.compile(r"N\d+(?: ?[/,;|] ?N\d+){2,}")
MOST = 0.6


@dataclass(frozen=True)
class Row:
    """`parts` are read alike; one that is false is refuted only when most of the others hold."""

    parts: tuple[Statement, ...]

    def judge(self, table: ScoreTable) -> Outcome:
        outcomes = [part.judge(table) for part in self.parts]
        held = [o for o in outcomes if o.status in ("confirmed", "rounding")]
        if len(held) == len(outcomes):
            return next((o for o in held if o.status == "rounding"), held[0])
        if len(held) < 2 or len(held) < MOST * len(outcomes):
            return UNCLEAR
        return next((o for o in outcomes if o.status == "refuted"), UNCLEAR)


def find(clause: Clause) -> list[Statement]:
    """Lists of names with a figure each, and of bare figures as many as rows or columns."""
    found: list[Statement] = []
    for match in _PAIRS.finditer(clause.text):
        found += _named(clause, _PAIR.findall(match[0]))
    for match in _BARE.finditer(clause.text):
        found += _bare(clause, [int(i) for i in re.findall(r"N(\d+)", match[0])])
    return found


def _named(clause: Clause, pairs: list[tuple[str, str, str]]) -> list[Statement]:
    s = clause.skeleton
    kinds = {kind for kind, _, _ in pairs}
    if len(kinds) > 1:
        return []
    figures = [s.figures[int(n)] for _, _, n in pairs]
    mentions = s.models if kinds == {"M"} else s.tasks
    given = {m.single for m in (s.tasks if kinds == {"M"} else s.models)}
    listed = [mentions[int(i)].single for _, i, _ in pairs]
    if None in listed or not _scores(figures):
        return []
    other = next(iter(given)) if len(given) == 1 else None
    if other is None:
        return []
    names = [str(n) for n in listed]
    if kinds == {"M"}:
        return [Row(tuple(Value(m, other, f) for m, f in zip(names, figures, strict=True)))]
    return [Row(tuple(Value(other, t, f) for t, f in zip(names, figures, strict=True)))]


def _bare(clause: Clause, indices: list[int]) -> list[Statement]:
    s, table = clause.skeleton, clause.table
    figures = [s.figures[i] for i in indices]
    models, tasks = {m.single for m in s.models}, {t.single for t in s.tasks}
    if not _scores(figures) or None in models | tasks:
        return []
    columns = (table.tasks, (*table.tasks, AVERAGE))
    for names in columns:
        if len(models) == 1 and not tasks - {AVERAGE} and len(names) == len(figures):
            model = str(next(iter(models)))
            return [Row(tuple(Value(model, t, f) for t, f in zip(names, figures, strict=True)))]
    if len(tasks) == 1 and not models and len(table.models) == len(figures):
        task = str(next(iter(tasks)))
        return [Row(tuple(Value(m, task, f) for m, f in zip(table.models, figures, strict=True)))]
    return []


def _scores(figures: list[Figure]) -> bool:
    return not any(f.sign or f.bound or f.unit in ("pp", "x") for f in figures)
