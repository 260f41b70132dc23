"""Comparisons without a number: "beats delta on Memorize", "hurts Compress", "best of both"."""

import re
from dataclasses import replace
from functools import partial
from itertools import pairwise

from archer.report.claims.build import build, quantify
from archer.report.claims.clause import Clause
from archer.report.claims.combine import All, Any, Never, Not
from archer.report.claims.grammar import STRONG, Trigger, triggers
from archer.report.claims.mentions import Mention
from archer.report.claims.roles import Roles, roles, tasks_near
from archer.report.claims.statements import Order, Statement
from archer.report.claims.table import AVERAGE


def find(clause: Clause) -> list[Statement]:
    """Every word of direction that no figure has taken."""
    found: list[Statement] = _chains(clause)
    last: Trigger | None = None
    for trigger in triggers(clause.text):
        if any(a <= trigger.start < b for a, b in clause.taken) or not _speaks(clause, trigger):
            continue
        if last is not None and trigger.start - last.end < 14 and trigger.sign == last.sign:
            continue
        last = trigger
        made = _order(clause, trigger)
        if made is not None:
            found.append(made)
    return found


def _chains(clause: Clause) -> list[Statement]:
    """ "A > B > C on T"."""
    found: list[Statement] = []
    if re.search(
        r"\b(?:ranking|ordering|ranked|rank order|order(?: (?:by|on|of|is)|:))", clause.text
    ) and not re.search(r"M\d+ ?[<≤]", clause.text):  # there the signs say it: the worst first
        found += _listed(clause)
    for match in re.finditer(r"M\d+(?: ?[><≥≤»] ?M\d+)+", clause.text):
        names = [clause.skeleton.models[int(i)].single for i in re.findall(r"M(\d+)", match[0])]
        signs = [1 if c in ">≥»" else -1 for c in re.findall(r"[><≥≤»]", match[0])]
        tasks = tasks_near(clause, match.start(), match.end()) or (Mention(((AVERAGE,),)),)
        if None in names or len(tasks) != 1 or len(tasks[0].readings) != 1:
            continue
        steps = zip(names, names[1:], signs, strict=False)
        found.append(
            quantify(tasks[0], tasks[0].names, partial(_chain, tuple(steps)), clause.table.tasks)
        )
    return found


def _chain(steps: tuple[tuple[str | None, str | None, int], ...], task: str) -> Statement:
    return All(tuple(Order(str(a), str(b), task, sign) for a, b, sign in steps))


def _listed(clause: Clause) -> list[Statement]:
    """ "The ranking on T is A, B, C": best first, unless it is called ascending."""
    names = [n for _, _, m in clause.models() if not m.group for n in m.names]
    tasks = tasks_near(clause, 0, 0) or (Mention(((AVERAGE,),)),)
    if (
        len(names) < 3
        or len(tasks) != 1
        or tasks[0].single is None
        or len(set(names)) != len(names)
    ):
        return []
    sign = -1 if re.search(r"\b(?:ascending|worst to best|lowest to highest)\b", clause.text) else 1
    return [All(tuple(Order(a, b, tasks[0].names[0], sign) for a, b in pairwise(names)))]


def _speaks(clause: Clause, trigger: Trigger) -> bool:
    """A word of direction that compares two models, not one of many other uses of the word."""
    after, before = clause.text[trigger.end :], clause.text[: trigger.start]
    if trigger.sign == 0 or re.match(r"\s*(?:bound|than N|N\d|to N\d|from N\d|R\d)", after):
        return False
    of_difference = trigger.word in ("larger", "greater", "smaller", "bigger")
    return not of_difference or bool(re.search(r"M\d|^it\b", before))


def _order(clause: Clause, trigger: Trigger) -> Statement | None:
    who = roles(clause, trigger.start, trigger.end, trigger)
    if who is None:
        return _overall(clause, trigger)
    negated = clause.negated(trigger.start)
    if negated and who.subject.quant != "none":  # "on any": on none
        who = replace(who, tasks=tuple(_each(t) for t in who.tasks))
    strong = (
        bool(STRONG.search(clause.text[max(0, trigger.start - 25) : trigger.end + 25]))
        and not negated
    )
    sign = trigger.sign

    def make(model: str, base: str, task: str) -> Statement:
        order = Order(model, base, task, sign, strong)
        return Not(order) if negated else order

    return build(make, who, every=clause.table.models)


def _each(tasks: Mention) -> Mention:
    return replace(tasks, quant="each") if tasks.quant == "any" else tasks


def _overall(clause: Clause, trigger: Trigger) -> Statement | None:
    """No task named: on average, or on every task; false only when both are."""
    if clause.tasks() or clause.context.tasks is not None or not re.search(r"M\d", clause.text):
        return None
    if not trigger.over and not re.match(r"\s*than M", clause.text[trigger.end :]):
        return None
    table = clause.table
    stand_in = Clause(clause.text, clause.skeleton, table, clause.context)
    stand_in.context = type(clause.context)(
        clause.context.subject, Mention(((AVERAGE,),)), clause.context.base
    )
    who = roles(stand_in, trigger.start, trigger.end, trigger)
    if who is None:
        return None
    readings = []
    for tasks in (Mention(((AVERAGE,),)), Mention((table.tasks,), "most")):
        there = Roles(who.subject, who.base, (tasks,))
        readings.append(
            build(lambda m, o, t: Order(m, o, t, trigger.sign), there, every=table.models)
        )
    if re.search(r"\b(?:uniformly|strictly|always)\s*$", clause.text[: trigger.start]):
        everywhere = Roles(who.subject, who.base, (Mention((table.tasks,)),))
        readings = [
            build(lambda m, o, t: Order(m, o, t, trigger.sign), everywhere, every=table.models)
        ]
    if re.search(r"\bnever\b", clause.text[: trigger.start]):
        everywhere = Roles(who.subject, who.base, (Mention((table.tasks,)),))
        return build(
            lambda m, o, t: Never(Order(m, o, t, trigger.sign)), everywhere, every=table.models
        )
    both: Statement = Any(tuple(readings))
    return None if clause.negated(trigger.start) else both
