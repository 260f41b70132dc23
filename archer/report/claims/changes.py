"""Differences: "trails delta by 1.2 pp on Compress", "a gap of 0.38", "+0.010 on Fuzzy Recall"."""

import re
from dataclasses import replace
from functools import partial

from archer.report.claims.build import build
from archer.report.claims.clause import Clause
from archer.report.claims.combine import Any
from archer.report.claims.extents import Between
from archer.report.claims.figures import Figure
from archer.report.claims.grammar import Trigger, triggers
from archer.report.claims.guard import crowded, guarded
from archer.report.claims.mentions import Mention
from archer.report.claims.roles import Roles, roles
from archer.report.claims.statements import Change, Statement, Value

_NOUN = (
    r"(?:gains?|drop|gap|lead|improvement|increase|decrease|decline|"
    r"reduction|lift|advantage|deficit|difference|loss|boost|"
    r"margins?|gaps|differences|changes|jump|rise|dip|edge|penalty|change|"
    r"shift|cost|fall|degradation|regression|benefit|hit|shortfall|δ|"
    r"spread|distance|uplift|swing|bonus|discrepancy)"
)
_BEFORE = re.compile(
    r"(?:\bby|\bby (?:only|just|some|mere|full|another|as much as)|\b(?:gain|"
    r"los|cost|add|shed|conced|sacrific|giv|drop|improv|fall|ris|clim|"
    r"jump|declin|increas|decreas|slip|dip)\w*(?: up| it| only| just|"
    r" another| M\d+| T\d+| back| roughly)?"
    rf"|(?!hits|leads){_NOUN}s?(?: ranging from| ranging| from| spanning| in "
    rf"range| anywhere from| \w+)?(?: (?:over|between|to|from|against|"
    rf"vs\.?|versus|in|on|for|relative to|compared (?:to|with)) [MT]\d+)*(?: "
    rf"(?:(?:on|in|for|at) )?T\d+)?(?: (?:of|is|was|=|:|amounts to|comes to|"
    rf"stands at|being|equals|at|totals|reaches))*[:=]?(?: (?:only|just|"
    rf"mere|some))?"
    r"|\bδ\s*(?:\([^)]*\) ?)?[=:]?|[↑↓▲▼]|\bwithin|\bdiffers? by|\b(?:up|down))\s*[(]?\s*$"
)
# "by 0.1 on T, 0.2 on U and 0.3 on V": the verb stands once.
_LIST_GOES_ON = re.compile(
    r"\s*(?:(?:on|in|for|at) T\d+|\(?[MT]\d+\)?)?(?:,? and|,)\s*(?:by )?(?:(?:on|in|for) )?"
)
_AFTER = re.compile(
    rf"^\s*(?:absolute |accuracy |relative |in absolute terms )?(?:or "
    rf"so )?(?:higher|lower|better|worse|above|below|behind|ahead|more|"
    rf"less|over M|under M|short of|{_NOUN}\b|apart|of M|up\b|down\b|"
    rf"accuracy (?:gain|drop|loss))"
)


def find(clause: Clause) -> list[Statement]:
    """Every figure or range that stands for a difference between two models."""
    found: list[Statement] = []
    all_triggers = triggers(clause.text)
    last: tuple[int, Trigger | None] | None = None
    for start, end, index in clause.free():
        figure = clause.skeleton.figures[index]
        goes_on = last is not None and _LIST_GOES_ON.fullmatch(clause.text[last[0] : start])
        if figure.unit == "x" or not (goes_on or _is_change(clause, start, end, figure)):
            continue
        trigger = _governing(clause, all_triggers, start, end)
        if last is not None and goes_on and trigger is None:
            trigger = last[1]
        last = (end, trigger)
        made = _change(clause, figure, trigger, start, end)
        clause.used.add(index)
        if made is not None:
            found.append(made)
        else:
            clause.left_over = True
        if trigger is not None:
            clause.taken.append((trigger.start, trigger.end))
    return found + _ranges(clause, all_triggers)


def _is_change(clause: Clause, start: int, end: int, figure: Figure) -> bool:
    before, after = clause.text[:start], clause.text[end:]
    follows = re.match(r"\s*(?:→|to) ?N(\d+)", after)
    if follows and clause.skeleton.figures[int(follows[1])].unit == figure.unit:
        return False
    leads = re.search(r"N(\d+) ?(?:→|to)\s*$", before)
    if leads and (figure.unit or not clause.skeleton.figures[int(leads[1])].unit):
        return False
    if re.search(r"(?:→|\bto|from)\s*$", before):
        return False
    if figure.bound == "<" and re.search(
        r"\b(?:scores?|stays?|drops?|falls?|is|are|all|remains?|sits?)\s*$", before
    ):
        return False
    if figure.sign or figure.unit == "pp":
        return True
    if re.match(r"\s*(?:vs\.?|versus|against) N\d", after):
        return False
    if re.search(r"\bwithin\s*$", before):
        return True
    if _AFTER.match(after):
        return not re.match(r"\s*(?:of|over|under) M", after) or figure.unit in ("pp", "points")
    return bool(_BEFORE.search(before)) and not (
        figure.bound
        and re.search(r"\b(?:drop|fall|fell|ris|rose|climb|jump|dip|sink|slip)\w*\s*$", before)
    )


def _governing(clause: Clause, all_triggers: list[Trigger], start: int, end: int) -> Trigger | None:
    text = clause.text
    close = re.match(r"\s*(?:absolute |accuracy |relative )?(?:or so )?", text[end:])
    at = end + (close.end() if close else 0)
    for trigger in all_triggers:
        if trigger.start == at:
            return trigger
    before = [
        t for t in all_triggers if t.end <= start and not re.search(r"N\d|R\d", text[t.end : start])
    ]
    if before:
        signed = [t for t in before if t.sign]
        return (signed or before)[-1]
    after = [
        t
        for t in all_triggers
        if t.start >= end and not re.search(r"N\d|[,;]", text[end : t.start])
    ]
    return after[0] if after else None


def _change(
    clause: Clause, figure: Figure, trigger: Trigger | None, start: int, end: int
) -> Statement | None:
    if clause.negated(trigger.start if trigger else start):
        return None
    a, b = (trigger.start, trigger.end) if trigger else (start, end)
    who = roles(clause, a if a < start else min(a, start), b, trigger)
    if who is None:
        return None
    bound = _tasks_of(clause, start, end)
    who = Roles(_model_of(clause, start, end) or who.subject, who.base, bound or who.tasks)
    sign = trigger.sign if trigger is not None and not figure.sign else 0
    if re.search(r"\bwithin\s*$", clause.text[:start]):
        figure, sign = replace(figure, bound="<", sign=""), 0
    readings = [
        build(lambda m, o, t: Change(m, o, t, figure, sign), who, every=clause.table.models)
    ]
    if figure.unit == "" and not figure.sign and clause.text[:start].rstrip().endswith("("):
        readings.append(build(lambda m, o, t: Value(m, t, figure), who, every=()))
    if trigger is not None and trigger.word in ("lead", "leads", "margin", "ahead") and sign > 0:
        runner = _second(clause, who)
        if runner is not None:
            readings.append(build(lambda m, o, t: Change(m, o, t, figure, sign), runner, every=()))
    made = readings[0] if len(readings) == 1 else Any(tuple(readings))
    loose = figure.unit + figure.sign == "" and clause.text[:start].rstrip().endswith((":", "("))
    unsure = loose or crowded(clause, 2, 99 if bound else 1)
    return guarded(made, clause, figure) if unsure else made


def _model_of(clause: Clause, start: int, end: int) -> Mention | None:
    """ "-1.7 pp (decay)", "2 pp for momentum", "decay (-1.7 pp)"."""
    glued = re.search(r"M(\d+) ?(?:\(|: ?)$|(?:,|and) M(\d+) (?:by )?$", clause.text[:start])
    if glued:
        return clause.skeleton.models[int(glued[1] or glued[2])]
    match = re.match(r"\s*(?:on T\d+ )?\(?(?:for |with |under )?M(\d+)\s*[),;.]", clause.text[end:])
    return clause.skeleton.models[int(match[1])] if match else None


def _second(clause: Clause, who: Roles) -> Roles | None:
    """ "leads by 0.02": over the next best, perhaps."""
    if who.subject.single is None or len(who.tasks) != 1 or len(who.tasks[0].names) != 1:
        return None
    rest = [m for m in clause.table.models if m != who.subject.single]
    task = who.tasks[0].names[0]
    next_best = max(rest, key=lambda m: clause.table.score(m, task))
    return Roles(who.subject, Mention(((next_best,),)), who.tasks)


def _tasks_of(clause: Clause, start: int, end: int) -> tuple[Mention, ...]:
    """A task bound to this very figure: "0.01 on T", "T (+0.01)", "T: +0.01"."""
    text = clause.text
    glued = re.search(r"T(\d+)\s*(?:[(:=]|by|is|up|down|δ|[↑↓▲▼]|\s)*(?:\w+ by )?$", text[:start])
    bare = re.match(r"\s*T(\d+)\s*(?:[,;.)]|and\b|$)", text[end:])
    if bare and not glued:
        return (clause.skeleton.tasks[int(bare[1])],)
    after = re.match(
        r"\s*(?:\(?(?:pp|relative|absolute)\)?\s*)?(?:higher |lower "
        r"|better |worse |above M\d+ |below M\d+ |behind M\d+ |ahead "
        r"of M\d+ |than M\d+ |over M\d+ |" + _NOUN + r" )?(?:on|in|for|at|\() ?T(\d+)",
        text[end:],
    )
    if after:
        return (clause.skeleton.tasks[int(after[1])],)
    if glued:
        return (clause.skeleton.tasks[int(glued[1])],)
    return ()


def _ranges(clause: Clause, all_triggers: list[Trigger]) -> list[Statement]:
    found = []
    for start, end, index in clause.find("R"):
        low, high = clause.skeleton.ranges[index]
        changes = (
            low.sign
            or low.unit == "pp"
            or _BEFORE.search(clause.text[:start])
            or _AFTER.match(clause.text[end:])
        )
        if not changes or index in clause.used_ranges:
            continue
        trigger = _governing(clause, all_triggers, start, end)
        if trigger is not None and clause.negated(trigger.start):
            continue
        a, b = (trigger.start, trigger.end) if trigger else (start, end)
        who = roles(clause, min(a, start), b, trigger)
        clause.used_ranges.add(index)
        if who is None:
            clause.left_over = True
            continue
        who = Roles(who.subject, who.base, _tasks_of(clause, start, end) or who.tasks)
        sign = trigger.sign if trigger is not None else 0
        sign = {"+": 1, "-": -1}.get(low.sign, sign)
        found.append(build(partial(_between, low, high, sign), who, every=clause.table.models))
        if trigger is not None:
            clause.taken.append((trigger.start, trigger.end))
    return found


def _between(low: Figure, high: Figure, sign: int, model: str, base: str, task: str) -> Statement:
    return Between(model, base, task, low, high, sign)
