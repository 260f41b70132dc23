"""What a superlative ranks: the tasks of one rule, or the rules on one task."""

import re
from dataclasses import dataclass

from archer.report.claims.clause import Clause
from archer.report.claims.grammar import DOWN_VERB, UP_VERB
from archer.report.claims.mentions import Mention

# "loses most", "helps T the least"
MOST = (
    rf"(?P<verb>{UP_VERB}|{DOWN_VERB}|differs?|varies|moves?)(?: T\d+)? (?:by far )?(?:the )?"
    r"(?P<how>most|least)\b"
)
SHARE = re.compile(r"\s*of (?!M\d|(?:its |all )?T\d|all\b)")  # "loses most of its lead"
_MOST = re.compile(rf"\b{MOST}")
_DOWN = re.compile(DOWN_VERB)
_PART = re.compile(r"\b(?:of|among|amongst|within)(?: its| all)?\s*$")
_TOPIC = re.compile(r"(?:and |but |while )?(?:on|in|at|for) T(\d+)\b")
_WHERE = re.compile(r"\bwhere (?:M\d+|it) $|\bits $")
_WHO = re.compile(r"(?:^|[^,] )(?:that|who) $|^(?:rule|model|what|who)\b")
_BESIDE = re.compile(r"[^MTN]*\bT\d+[,:]? ?\(?(?:by |at |with )?N(\d+)")


@dataclass(frozen=True)
class Scope:
    """tasks: the largest of one rule's tasks; rules: the largest on one task. Both: either."""

    tasks: bool
    rules: bool


_OF_TASKS, _OF_RULES, _EITHER = Scope(True, False), Scope(False, True), Scope(True, True)


def part_of(clause: Clause, names: list[tuple[int, int, Mention]]) -> Mention | None:
    """ "Of all rules", "of its six tasks": what the superlative is said to be one of."""
    for at, _, mention in names:
        if len(mention.names) > 1 and mention.quant == "each" and _PART.search(clause.text[:at]):
            return mention
    return None


def topic(clause: Clause) -> list[Mention]:
    """ "On T, M gains most": the one task of a sentence that begins with it."""
    match = _TOPIC.match(clause.skeleton.text)
    spoken = clause.skeleton.spoken("T")
    return spoken if match and spoken == [clause.skeleton.tasks[int(match[1])]] else []


def scope(clause: Clause, match: re.Match[str]) -> Scope:
    """What the words around a superlative leave open of the two."""
    before = clause.text[: match.start()]
    if part_of(clause, clause.models()):
        return _OF_RULES
    if part_of(clause, clause.tasks()) or _WHERE.search(before):
        return _OF_TASKS
    if topic(clause) and not re.search(r"\bT\d", clause.text[match.start() :]):
        return _OF_RULES
    return _of_verb(clause, match) if match["verb"] else _of_noun(clause, match)


def _of_verb(clause: Clause, match: re.Match[str]) -> Scope:
    if _WHO.search(clause.text[: match.start()]):
        return _OF_RULES
    return _OF_TASKS if _in_halves(clause) or _has_figure(clause, match) else _EITHER


def _has_figure(clause: Clause, match: re.Match[str]) -> bool:
    """ "M loses most on T (-0.05)": which loss it is, is said; that it is M's largest, is new."""
    beside = _BESIDE.match(clause.text[match.start() :])
    return beside is not None and clause.skeleton.figures[int(beside[1])].sign != ""


def _in_halves(clause: Clause) -> bool:
    """ "M gains most on A and loses most on B": of one rule, so of its tasks."""
    text = clause.skeleton.text
    found = list(_MOST.finditer(text))
    if len(found) != 2 or _way(found[0]) == _way(found[1]) or re.search(r"\b(?:of|among) M", text):
        return False
    between = text[found[0].end() : found[1].start()]
    others = re.sub(r"\b(?:over|against|than|to|below|above|behind) M\d+", "", between)
    return "M" not in others and all(re.search(r"\bT\d", x) for x in _tails(text, found))


def _way(match: re.Match[str]) -> tuple[bool, str]:
    return bool(_DOWN.fullmatch(match["verb"])), match["how"]


def _tails(text: str, found: list[re.Match[str]]) -> tuple[str, str]:
    first, second = found
    return text[first.start() : second.start()], text[second.start() :]


def _of_noun(clause: Clause, match: re.Match[str]) -> Scope:
    after, before = clause.text[match.end() :], clause.text[: match.start()]
    turned = bool(match["what2"])  # "the gain is largest"
    tasks = turned or not re.match(r"\s*(?:over M\d+ )?(?:on|in|at) T\d", after)
    of_rule = re.match(r"\s*(?:of|for|by|from|between|with)? ?M\d+.*T\d", after)
    rules = not (turned or of_rule or re.search(r"\bM\d+ (?:has |shows |sees )?$", before))
    return Scope(tasks, rules) if tasks or rules else _EITHER  # "M shows the largest gain on T"
