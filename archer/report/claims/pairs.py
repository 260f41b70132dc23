"""Several scores side by side: "0.779 vs 0.403", "from 0.442 to 0.432", "0.1, 0.2 and 0.3"."""

import re
from dataclasses import dataclass

from archer.report.claims.attach import task_of
from archer.report.claims.clause import Clause
from archer.report.claims.combine import All, Any, Unsure
from archer.report.claims.figures import Figure
from archer.report.claims.guard import crowded, guarded
from archer.report.claims.mentions import Mention
from archer.report.claims.roles import inherited_subject
from archer.report.claims.statements import Statement, Value
from archer.report.claims.table import ScoreTable
from archer.report.claims.verdict import Outcome

_PAIR = re.compile(
    r"(?P<from>from )?N(?P<a>\d+),?(?P<x> ?(?:\(M\d+\)|for M\d+|with "
    r"M\d+|on T\d+|M\d+))? ?(?P<link>→|to|vs\.?|versus|against|compared "
    r"(?:to|with)|/|up from|down from|instead of|rather than|over|and|"
    r",)(?P<y> ?(?:M\d+ ?(?:at|:|=|with)?|for M\d+|with M\d+))? ?N(?P<b>\d+)(?P<z> "
    r"?(?:\(M\d+\)|for M\d+|with M\d+|M\d+))?"
)


def pairs(clause: Clause) -> list[Statement]:
    """Two scores side by side, of two models on one task."""
    found: list[Statement] = []
    for match in _PAIR.finditer(clause.text):
        a, b = int(match["a"]), int(match["b"])
        if {a, b} & clause.used or match["link"] in ("and", ","):
            continue
        named = match["x"] or match["y"] or match["z"]
        if named and ((match["x"] and match["z"]) or match["link"] not in ("→", "to")):
            continue
        figures = clause.skeleton.figures[a], clause.skeleton.figures[b]
        if figures[0].unit != figures[1].unit and "from" not in (match["from"] or ""):
            continue
        made = _pair(clause, figures, match)
        if made is None:
            continue
        clause.used |= {a, b}
        found.append(guarded(made, clause, *figures) if crowded(clause, 2, 1) else made)
    return found


def _pair(clause: Clause, figures: tuple[Figure, Figure], match: re.Match[str]) -> Statement | None:
    text = clause.text
    tasks, _ = task_of(clause, match.start(), match.end())
    tail = re.match(r"\s*\)?\s*(?:on|in|for) T(\d+)", text[match.end() :])
    if tail and not re.search(r"T\d+ ?\($", text[: match.start()]):
        tasks = (clause.skeleton.tasks[int(tail[1])],)
    singles = [m for _, _, m in clause.models()]
    names: list[str] = []
    for mention in singles:
        if mention.group or mention.quant != "each" or len(mention.readings) > 1:
            return None
        names += mention.names
    names = list(dict.fromkeys(names))
    subject = inherited_subject(clause)
    if not names and subject is not None and subject.single:
        names = [subject.single]
    if len(names) == 1:
        base = clause.default_base(Mention(((names[0],),)))
        if base is None or base.single is None:
            return _any_pair(clause, figures, tasks)
        names.append(base.single)
    if not tasks:
        return None
    if not names:
        return _any_pair(clause, figures, tasks)
    two_tasks = [t for t in clause.tasks() if t[2].single]
    if (
        len(two_tasks) == 2
        and len(names) >= 1
        and re.search(r"T\d", text[match.start() : match.end()])
    ):
        return None
    readings: list[Statement] = []
    if len(names) > 2:
        names = names[:3]
    for task in tasks:
        for name in task.names[:1] if task.single else ():
            for x in names:
                for y in names:
                    if x != y:
                        readings.append(
                            All((Value(x, name, figures[0]), Value(y, name, figures[1])))
                        )
    groups = [t for t in tasks if not t.single]
    if groups or not readings:
        return None
    swapped = _swap_matters(clause, match, names)
    if swapped is None:
        return Any(tuple(readings))
    return Ordered(readings[swapped], readings[1 - swapped])


@dataclass(frozen=True)
class Ordered:
    """`part` says which of two scores is whose; in `other` they are swapped."""

    part: Statement
    other: Statement

    def judge(self, table: ScoreTable) -> Outcome:
        outcome = self.part.judge(table)
        if outcome.status == "refuted" and self.other.judge(table).status == "confirmed":
            return Outcome("refuted", None, None, "the other way round")
        return outcome


def _swap_matters(clause: Clause, match: re.Match[str], names: list[str]) -> int | None:
    """Which of the orders (x, y), (y, x) a "from .. to" must have, when one model is the base."""
    arrow = match["link"] in ("→", "to")
    base = clause.table.baseline
    if len(names) != 2 or not arrow or base not in names or re.search(r"\bfrom M\d", clause.text):
        return None
    return None if names[0] == base else 1


def _any_pair(
    clause: Clause, figures: tuple[Figure, Figure], tasks: tuple[Mention, ...]
) -> Statement | None:
    """No model named: some pair of models has these two scores, or nothing is known."""
    if not tasks or not tasks[0].single:
        return None
    task = tasks[0].names[0]
    pairs = [(x, y) for x in clause.table.models for y in clause.table.models if x != y]
    return Unsure(
        Any(tuple(All((Value(x, task, figures[0]), Value(y, task, figures[1]))) for x, y in pairs))
    )


_LIST = re.compile(r"N\d+(?:(?:, (?:and )?| and | / ?|/)N\d+)+")


def lists(clause: Clause) -> list[Statement]:
    """ "A and B score 0.40 and 0.78", "0.1, 0.2 and 0.3 on T, U and V": in order."""
    found: list[Statement] = []
    for match in _LIST.finditer(clause.text):
        indices = [int(i) for i in re.findall(r"N(\d+)", match[0])]
        if set(indices) & clause.used:
            continue
        made = _in_order(clause, indices, match)
        if made:
            clause.used |= set(indices)
            found += made
    return found


def _in_order(clause: Clause, indices: list[int], match: re.Match[str]) -> list[Statement]:
    figures = [clause.skeleton.figures[i] for i in indices]
    n = len(figures)
    if any(f.unit in ("pp", "x") or f.sign for f in figures):
        return []
    models = [m for _, _, m in clause.models()]
    tasks = [t for _, _, t in clause.tasks()]
    many = [m for m in models if len(m.names) == n and m.quant == "each" and not m.group]
    wide = [t for t in tasks if len(t.names) == n and t.quant == "each" and n > 1]
    one_task = next((t for t in tasks if t.single), None) or clause.context.tasks
    if many and one_task is not None and one_task.single:
        return [Value(m, one_task.names[0], f) for m, f in zip(many[0].names, figures, strict=True)]
    single = next((m for m in models if m.single), None) or inherited_subject(clause)
    if wide and single is not None and single.single:
        return [Value(single.names[0], t, f) for t, f in zip(wide[0].names, figures, strict=True)]
    return []
