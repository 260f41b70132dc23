"""Whether a difference is called significant, and whether the seeds say so.

"A significantly beats B on T", "the difference between A and B is not significant". The word is
read as statistics, and only where seeds are known; the direction is checked as without it.
"""

import re
from dataclasses import dataclass

from archer.report.claims.mentions import Skeleton
from archer.report.claims.paired import of_a_pair, p_values
from archer.report.claims.table import ScoreTable
from archer.report.claims.verdict import UNCLEAR, Outcome

LEVEL = 0.05
_NO = (
    r"(?:(?:not|no|never)(?: yet| even| be| being| a| an| any| called| reach| reaching)*|"
    r"without(?: a| any)?|(?:does|do|did) not reach|(?:fails?|failed) to reach|"
    r"(?:(?:does|do|did) )?not differ|(?:is|are) not different) "
)
_LEAD = (
    r",? ?(?:which|that|and|but|yet|though|although|albeit)?(?: it)? ?"
    r"\b(?:is|are|was|were|reaches|reached)? ?"
)
_NOUN = (
    r"(?:differences?|gaps?|gains?|loss(?:es)?|drops?|improvements?|leads?|edge|advantage|"
    r"deficits?|margins?|changes?)\b"
)
_COMPARES = (
    r"(?:better|worse|higher|lower|above|below|ahead|behind|stronger|weaker|superior|inferior|"
    r"different|(?:out|under)perform|beat|exceed|surpass|trail|lag|lead|hurt|harm|help|improv|degrad|"
    r"lift|boost|rais|differ|drop|fall|los|gain|win)"
)
_THEN = r"(?:on|for|at|in|by|with|from)"
# As an adjective of a difference, as an adverb of a comparison, or said of what stands before it.
_SAID = re.compile(
    rf"{_LEAD}(?P<no>{_NO})?(?:an? )?(?:statistically )?(?P<un>in|non-?)?significan"
    rf"(?:t {_NOUN}|tly(?= {_COMPARES})|(?:t|tly|ce)(?=\s*(?:$|[.,;:()]|{_THEN}\b)))",
    re.IGNORECASE,
)
_ADVERB = re.compile(rf"\b(?:statistically )?significantly (?={_COMPARES})", re.IGNORECASE)
_OF_A_DIFFERENCE = re.compile(
    r"\b(?:differ(?:s|ed|ences?|ent|ently)?|gaps?|distance)\b", re.IGNORECASE
)
# Hedged, of more than two rows, of a level or a correction of its own, turned round, or of
# something else than a score.
_ELSE = re.compile(
    r"\b(?:almost|nearly|barely|hardly|scarcely|marginal\w*|borderline|close to|short of|far from|"
    r"before|after|un?corrected|correction|one-sided|level|threshold|1 %|0\.01|10 %|more|less|only|"
    r"best|worst|rest|others?|all|every|each|any(?:thing|one|body)?|both|neither|nor|none|nothing|"
    r"runner|second|third|next|if|whether|would|could|may|might|should|expect\w*|until|unless|"
    r"seeds?|cannot|can not|claim\w*|question|how|than (?:that|those)|settings?|vocabulary|length|"
    r"train\w*|speed\w*|fast\w*|slow\w*|cheap\w*|times?|memory|norms?|perplexity|param\w*|varia\w+|spread|"
    r"deviation|noise|stab\w*|converg\w*|curves?|epochs?|tokens?|states?|errors?|cost\w*|size)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Significant:
    """The difference between two rows is significant, or is not (`yes`), at 5 %.

    Judged where it is the same with and without correction over the rules of the task. directed: it
    was said which is better: the seeds' word then counts only beside that of the direction.
    """

    models: tuple[str, str]
    task: str
    yes: bool
    directed: bool

    @property
    def one_way(self) -> bool:
        return self.yes and self.directed

    def judge(self, table: ScoreTable) -> Outcome:
        found = p_values(table, *self.models, self.task)
        if found is None:
            return UNCLEAR
        raw, corrected = found
        stated = "significant" if self.yes else "not significant"
        if raw < LEVEL <= corrected:
            note = f"p = {raw:.2g} alone, {corrected:.2g} after correction"
            return Outcome("unchecked", stated, None, note)
        holds = (corrected < LEVEL) == self.yes
        if not holds and self.directed and not self.yes:
            return UNCLEAR  # "not significantly better": it may be worse
        p = raw if raw >= LEVEL else corrected
        return Outcome("confirmed" if holds else "refuted", stated, None, f"p = {p:.2g}")


def lift(table: ScoreTable, text: str, s: Skeleton) -> str:
    """What the text says of significance goes to s.beside, and out of the text."""
    found = list(_SAID.finditer(text))
    if len(found) != 1 or len(re.findall("significan", text, re.IGNORECASE)) != 1:
        return text
    said, rest = found[0], text[: found[0].start()] + " " + text[found[0].end() :]
    pair = of_a_pair(table, text, s)
    if pair is None or _ELSE.search(rest) or re.search(r"\b(?:not|no|never)\b", rest, re.I):
        return text
    (a, b), task = pair
    models = (b, a) if a == table.baseline else (a, b)  # corrected as the report does
    yes, adverb = not (said["no"] or said["un"]), _ADVERB.search(text)
    s.beside.append(Significant(models, task, yes, not _OF_A_DIFFERENCE.search(text)))
    if adverb:  # "not significantly better" is no comparison that could be checked
        return _ADVERB.sub("", text) if yes else text
    return rest
