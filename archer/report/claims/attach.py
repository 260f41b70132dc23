"""Which model and which task a figure belongs to."""

import re

from archer.report.claims.clause import Clause
from archer.report.claims.mentions import Mention
from archer.report.claims.roles import inherited_subject
from archer.report.claims.table import AVERAGE

_GLUE = (
    r"(?:[\s:=(,@]|at|is|was|of|with|has|score[sd]?|scoring|reach\w*|gets?|"
    r"got|achiev\w*|stands|hits|posts?|manages?|obtains?|records?|attains?|"
    r"averag\w*|only|just|both|all|each|to|sits|comes in|lands)*"
)


def glued(clause: Clause, start: int, end: int) -> bool:
    """The model stands right beside the figure, and the sentence has one task."""
    before = [m for m in clause.models() if m[1] <= start]
    one_task = len({t.names for t in clause.skeleton.tasks}) <= 1
    if one_task and re.match(r" ?\(?(?:for|by|with|under) M\d", clause.text[end:]):
        return True
    if not before or not one_task:
        return False
    between = clause.text[before[-1][1] : start]
    between = re.sub(r"\bT\d+", "", between)
    return "," not in between and bool(re.fullmatch(_GLUE, between))


def model_of(clause: Clause, start: int, end: int) -> tuple[Mention | None, bool]:
    text = clause.text
    after = re.match(
        r"\s*(?:(?:\((?=M\d+[),]))?(?:for|by|with|from|under|of)? ?|"
        r"on T\d+ (?:for|by|with|from|under) |T\d+ (?:for|by|with|from|"
        r"under) )M(\d+)(?!\d)",
        text[end:],
    )
    strong_after = re.match(
        r"\s*(?:\((?=M\d+[),])|(?:on T\d+ )?(?:for|by|from|under|with) )M(\d+)", text[end:]
    )
    before = [m for m in clause.models() if m[1] <= start]
    close = re.fullmatch(_GLUE, text[before[-1][1] : start]) if before else None
    if strong_after and (close is None or "," in close[0]):
        return clause.skeleton.models[int(strong_after[1])], True
    if before:
        direct = before[-1]
        between = text[direct[1] : start]
        reference = re.search(
            r"(?:than|over|vs\.?|versus|against|relative to|compared "
            r"(?:to|with)|from|by|behind|ahead of|above|below|on|beats|"
            r"trails|outperforms|exceeds)\s*$",
            text[: direct[0]],
        )
        if (
            len(before) > 1
            and not re.fullmatch(_GLUE, between)
            and (reference or re.search(r"N\d", between))
        ):
            return before[0][2], "N" not in between and len(before) <= 1
        if reference and len(before) == 1 and not re.fullmatch(_GLUE, between):
            inherited = inherited_subject(clause)
            return (inherited or direct[2]), False
        return direct[2], True
    if after:
        return clause.skeleton.models[int(after[1])], True
    later = [m for m in clause.models() if m[0] >= end]
    if len(later) == 1 and re.search(
        r"\b(?:is|goes|belongs|by|for|with|of|held|from|:)\s*(?:\w+ )?$", text[: later[0][0]]
    ):
        return later[0][2], True
    if len(later) == 1 and inherited_subject(clause) is None:
        return later[0][2], False
    return inherited_subject(clause), False


def task_of(clause: Clause, start: int, end: int) -> tuple[tuple[Mention, ...], bool]:
    text, tasks = clause.text, clause.skeleton.tasks
    after = re.match(
        r"\s*(?:\(?(?:on|in|for|at|of|across) ?|\(|(?:for|by|with) M\d+ (?:on|in) |)T(\d+)(?!\d)",
        text[end:],
    )
    before = [t for t in clause.tasks() if t[1] <= start]
    glued = before and re.fullmatch(_GLUE + r"(?:\s*M\d+)?" + _GLUE, text[before[-1][1] : start])
    strong = re.match(r"\s*\(?(?:on|in|for|at|of|across) T(\d+)", text[end:])
    if strong and not (glued and re.search(r"T\d+ ?[(:=]", text[before[-1][0] : start])):
        return (tasks[int(strong[1])],), True
    if glued:
        return (before[-1][2],), True
    if after and not (before and not re.search(r"N\d", text[before[-1][1] : start])):
        return (tasks[int(after[1])],), True
    specific = [t[2] for t in clause.tasks() if t[2].names != (AVERAGE,)]
    if len(clause.tasks()) == 1:
        return (clause.tasks()[0][2],), True
    if before:
        near = before[-1][2]
        return tuple(dict.fromkeys((near, *(specific if near.names == (AVERAGE,) else [])))), True
    if clause.tasks():
        return (clause.tasks()[0][2],), False
    return ((clause.context.tasks,), False) if clause.context.tasks is not None else ((), False)
