"""Are the words of a clause ones that the grammar knows, or such as do no harm?"""

import re

from archer.report.claims import rankings, ratios, sameness, widest
from archer.report.claims.clause import Clause
from archer.report.claims.grammar import NEGATION, triggers
from archer.report.claims.vocabulary import KNOWN, TURNING

_LIMITS = re.compile(
    r"\b(?:among|amongst|within) (?![MTNR]\d|\d|all\b|both\b|others\b)|"
    r"\b(?:rules|models|variants|those) (?:that|which|with|without|in|of|using)\b|"
    r"\b(?:hardly|barely|scarcely)\b|\bM\d+ (?:that|which|who|whose)\b|\bfrom T\d+ to T|"
    r"\b(?:less|fewer|more) (?:of|damage|harm|loss\w*|gains?|improvement|benefits?|costs?|drops?)\b"
)
_FEW = 3


def understood(clause: Clause) -> bool:
    """No word and no loose number is left once names, figures and the grammar's words are out."""
    words = _words_left(clause)
    return words is not None and words <= KNOWN


def readable(clause: Clause) -> bool:
    """A few unknown words at most, none of which looks like a verb or turns the comparison."""
    words = _words_left(clause)
    if words is None or _LIMITS.search(clause.text):
        return False
    new = words - KNOWN
    where = re.findall(r"\b(?:on|in|at|for|under|among|within|with|by) ([a-z][\w-]*)", clause.text)
    if new & set(where):
        return False  # "at short range": of something else
    verbs = any(re.search(r"(?:ed|ing|er|est)$", word) for word in new)
    return len(new) <= _FEW and not verbs and not words & TURNING


def _words_left(clause: Clause) -> set[str] | None:
    """Words that neither a name nor the grammar has taken; None when a loose number is left."""
    text = re.sub(r"^[^:\d]*: ", "", clause.text)
    text = re.sub(
        r"\b(?:(?:[123] )?(?:thirds?|quarters?|fifths?)|half) of(?= M| that| what)", " ", text
    )
    text = re.sub(
        r"\b(?:out )?of \d\b|\bexactly\b|\b(?:remaining|other|loses?|wins?) \d\b", " ", text
    )
    text = re.sub(r"\b(?:\d[- ]task|1 (?:pattern|thing|finding|exception|surprise))\b", " ", text)
    for pattern in (widest.WIDEST, rankings.PLACE, sameness.ANY, ratios.ANY, NEGATION):
        text = pattern.sub(lambda m: " ".join(re.findall(r"[MTNR]\d+", m[0])) + " ", text)
    for trigger in reversed(triggers(text)):
        text = text[: trigger.start] + " " + text[trigger.end :]
    text = re.sub(r"(?<=N\d )(?:bleu|map|ap|auc|rouge|iou|miou|f1|elo|acc)\b", " ", text)
    text = re.sub(r"\b[MTNR]\d+\b", " ", text)
    if re.search(r"\d", text):
        return None
    return set(re.findall(r"[a-z][a-z.'-]*[a-z]|[a-z]", text))


def simple(clause: Clause) -> bool:
    """One figure at most, two single models at most, one task at most: nothing can be mixed up."""
    s, models = clause.skeleton, clause.models()
    named = {t.names for t in s.tasks}
    figures = len(clause.find("N")) + 2 * len(clause.find("R"))
    between = bool(re.search(r"\b(?:between|apart|each other)\b", clause.text))
    plain = all(m.single or (between and len(m.names) == 2) for _, _, m in models)
    here = {n for _, _, m in models for n in m.names}
    subject = clause.context.subject
    carried = clause.context.near or re.match(r"(?:it|its|this|that|they|their)\b", clause.text)
    spoken = {n for m in s.models for n in m.names if m.single or m.quant == "each"}
    spoken |= set(subject.names) if subject is not None and carried else set()
    alone = not here or spoken <= here
    return plain and alone and figures <= 1 and len(models) <= 2 and len(named) <= 1
