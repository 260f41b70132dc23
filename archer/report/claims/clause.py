"""A clause, who it speaks of, and the building of statements from that."""

import itertools
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from archer.report.claims.combine import All, Any, Count, Never, Not
from archer.report.claims.grammar import NEGATION, Trigger, triggers
from archer.report.claims.mentions import Mention, Skeleton
from archer.report.claims.statements import Statement
from archer.report.claims.table import ScoreTable


@dataclass
class Context:
    """What was spoken of before: the heading's and the last sentence's subject and task.

    base: what is compared with; near: the subject was named in this very sentence.
    """

    subject: Mention | None = None
    tasks: Mention | None = None
    base: Mention | None = None
    near: bool = False


@dataclass
class Clause:
    """A clause's pattern text; `used` are the figures that a statement has taken.

    taken: stretches of text that a statement has spoken for; left_over: a figure was understood as
    one, but not whose; said_base: the model that the text itself compares with; shards: a part was
    cut off the sentence that may limit it; plain: every word of the sentence is understood.
    """

    text: str
    skeleton: Skeleton
    table: ScoreTable
    context: Context
    used: set[int] = field(default_factory=set)
    taken: list[tuple[int, int]] = field(default_factory=list)
    used_ranges: set[int] = field(default_factory=set)
    left_over: bool = False
    said_base: Mention | None = None
    shards: bool = False
    plain: bool = True

    def find(self, kind: str) -> list[tuple[int, int, int]]:
        """(start, end, index) of the placeholders M, T, N or R."""
        return [(m.start(), m.end(), int(m[1])) for m in re.finditer(rf"\b{kind}(\d+)", self.text)]

    def models(self) -> list[tuple[int, int, Mention]]:
        return [(a, b, self.skeleton.models[i]) for a, b, i in self.find("M")]

    def tasks(self) -> list[tuple[int, int, Mention]]:
        return [(a, b, self.skeleton.tasks[i]) for a, b, i in self.find("T")]

    def free(self) -> list[tuple[int, int, int]]:
        return [f for f in self.find("N") if f[2] not in self.used]

    def negated(self, trigger_start: int, reach: int = 4) -> bool:
        if re.search(r"\b(?:neither|nor)\b", self.text[:trigger_start]):
            return True
        before = re.split(r"[,;(]", self.text[:trigger_start])[-1]
        before = re.sub(r"\b(?:without|no) M\d+", "", before).split()[-reach:]
        return bool(NEGATION.search(" ".join(before)))

    def default_base(self, subject: Mention | None) -> Mention | None:
        """The model that a lone one is compared with, when the text does not say."""
        if self.context.base is not None and self.context.base != subject:
            return self.context.base
        name = self.table.baseline
        if name is None or (subject is not None and name in subject.names and not subject.group):
            return None
        return Mention(((name,),))


@dataclass(frozen=True)
class Roles:
    """Who is compared with whom, and on what; `tasks` are alternatives."""

    subject: Mention
    base: Mention
    tasks: tuple[Mention, ...]


_BASE_WORD = re.compile(
    r"(?:than|over|to|vs\.?|versus|against|from|below|above|behind|ahead "
    r"of|on|upon|of|with|short of|relative to|compared (?:to|with)|"
    r"with respect to|w\.r\.t\.?|compared against|as|beyond|under|past)\s*$"
)
_SUBJECT_WORD = re.compile(
    r"(?:\bby|\bfor|\bunder|\bin|\busing|\bcomes from|\bgoes to|\bbelongs "
    r"to|\bfrom|\bwith|\bthanks to|\bvia|\bis|:|\bthrough)\s*$"
)


def roles(clause: Clause, at: int, end: int, trigger: Trigger | None = None) -> Roles | None:
    """Subject, base and tasks for something said at `at`..`end` of the clause, or None."""
    subject, base = _subject_and_base(clause, at, end, trigger)
    if subject is None or base is None:
        return None
    tasks = tasks_near(clause, at, end)
    return Roles(subject, base, tasks) if tasks else None


def _subject_and_base(
    clause: Clause, at: int, end: int, trigger: Trigger | None
) -> tuple[Mention | None, Mention | None]:
    text = clause.text
    mentions = clause.models()
    pair = _between(clause)
    if pair is not None:
        return pair
    before = [m for m in mentions if m[1] <= at]
    after = [m for m in mentions if m[0] >= end]
    passive = trigger is not None and re.search(
        r"\b(?:is|are|was|were|gets|been|being)\b[^,]*$", text[:at]
    )
    subject: Mention | None = None
    base: Mention | None = None
    objects = {t.end for t in triggers(text) if t.over}
    for a, _, mention in before:
        lead = text[:a]
        if len(lead.rstrip()) in objects or re.search(
            r"(?:relative to|compared (?:to|with)|versus|vs\.?|against|"
            r"than|over|starting from|with respect to|above|below|behind|"
            r"ahead of)\s*$",
            lead,
        ):
            base = mention
        else:
            subject = subject or mention if trigger is None else mention
    for a, _, mention in after:
        lead = text[end:a]
        if passive and re.fullmatch(r"\s*(?:on T\d+ )?by\s*", lead):
            if subject is None:
                subject = mention
            else:
                subject, base = mention, subject
        elif (
            subject is None
            and _SUBJECT_WORD.search(lead)
            and not re.search(
                r"\b(?:over|than|(?:compared|respect) (?:to|with)|relative to)\s*$", lead
            )
        ):
            subject = mention
        elif base is None and (_BASE_WORD.search(lead) or lead.strip() in ("", "both", "every")):
            base = mention
        elif subject is None and not _BASE_WORD.search(lead):
            subject = mention
        elif base is None and trigger is not None and re.search(r"\b(?:vs\.?|versus)\s*$", lead):
            base = mention
    if _foreign_object(text, end, trigger) and base is None:
        return None, None
    subject = subject or inherited_subject(clause) or _only_other(clause, mentions)
    clause.said_base = base or clause.said_base
    return subject, base or clause.default_base(subject)


def _only_other(clause: Clause, mentions: list[tuple[int, int, Mention]]) -> Mention | None:
    """In a table of two, what changes is the one that is not the baseline."""
    base, models = clause.table.baseline, clause.table.models
    if mentions or base is None or len(models) != 2:
        return None
    return Mention(((models[models[0] == base],),))


def _between(clause: Clause) -> tuple[Mention, Mention] | None:
    """ "the gap between A and B", "A and B differ by": two names in one mention."""
    match = re.search(
        r"\b(?:between|separat\w+|apart) (?:\w+ )?M(\d+)|M(\d+)(?: on "
        r"T\d+)? (?:differ|are separated|are N\d+|lie|sit)|"
        r"M(\d+)(?=.*\b(?:each other|one another)\b)",
        clause.text,
    )
    if match is None:
        return None
    mention = clause.skeleton.models[int(match[1] or match[2] or match[3])]
    if len(mention.names) != 2 or mention.group:
        return None
    return Mention(((mention.names[0],),)), Mention(((mention.names[1],),))


def _foreign_object(text: str, end: int, trigger: Trigger | None) -> bool:
    """Something not in the table stands where the other model should."""
    rest = text[end:].lstrip()
    after = re.match(
        r"(?:N\d+ )?(?:than|over|versus|vs\.?|against|compared (?:to|with)|relative to) (\S+)", rest
    )
    if after and not re.match(r"[MTNR]\d+|each|both|all|every|any|baseline|\d", after[1]):
        return True
    if trigger is not None and trigger.over:
        return not re.match(
            r"[MTR(,.;]|by\b|on\b|in\b|for\b|at\b|across\b|$|both\b|"
            r"N\d|with\b|slightly|only|clearly|marginally|every|all",
            rest,
        )
    return False


_PRONOUN = re.compile(
    r"^(?:and |but |yet |so |however,? |moreover,? |overall,? |meanwhile,? "
    r"|in contrast,? |there,? |in particular,? )?"
    r"(?:it|its|this|that|they|their|which|both|on|in|at|for|where|with|"
    r"T\d+|N\d+|gain|drop|score|by|from|reach\w*|scor\w+|highest|lowest|"
    r"best|worst|"
    r"improv\w+|hurt\w*|los\w+|lift\w*|boost\w*|beat\w*|trail\w*|fall\w*|"
    r"drop\w*|ris\w+|gain\w*|help\w*|add\w*|cost\w*|is|are|was|has|does|"
    r"not|no|only|ranks?|leads?|wins?|takes|tops|"
    r"δ|\+|slightly|clearly|accuracy|performance|change|difference|unchanged|"
    r"same|similar|identical|R\d+|up|down|second|third|first|last|\(|"
    r"(?:weak|strong|good|bad|poor|solid|close|near|well|just|roughly|"
    r"about|far|down|up)\b)"
)


def inherited_subject(clause: Clause) -> Mention | None:
    """The subject of what was said before, when this clause goes on speaking of it."""
    if re.match(r"(?:best|highest|lowest|worst|top|maximum|minimum)\b", clause.text) and not (
        clause.context.near
    ):
        return None  # "the best score on T" is anybody's
    opens = _PRONOUN.match(clause.text) or any(t.start == 0 for t in triggers(clause.text))
    return clause.context.subject if opens else None


def tasks_near(clause: Clause, at: int, end: int) -> tuple[Mention, ...]:
    """The tasks meant at `at`..`end`: alternatives, best first; the context's if none is named."""
    mentions = clause.tasks()
    text = clause.text
    after = [
        m for m in mentions if m[0] >= end and not re.search(r"[;]|\band (?!T)", text[end : m[0]])
    ]
    for a, _, mention in after[:1]:
        if re.fullmatch(
            r"\W*(?:N\d+|R\d+|M\d+|by|of|in|on|for|at|over|than|across|"
            r"accuracy|points?|\W)*(?:on|in|for|at|across|of)?\s*",
            text[end:a],
        ):
            return (mention,)
    if mentions:
        before = [m for m in mentions if m[1] <= at]
        ordered = before[::-1] + [m for m in mentions if m[0] >= end]
        return tuple(dict.fromkeys(m[2] for m in ordered))
    if clause.context.tasks is not None:
        return (clause.context.tasks,)
    return ()


def build(
    make: Callable[[str, str, str], Statement], who: Roles, *, every: tuple[str, ...]
) -> Statement:
    """`make(model, base, task)` under all quantifiers; any plausible reading may be meant."""
    choices = itertools.product(who.subject.readings, who.base.readings, who.tasks)
    readings: list[Statement] = []
    for subjects, bases, tasks in choices:
        for names in tasks.readings:
            readings.append(_nested(make, who, subjects, bases, tasks, names, every))
    return readings[0] if len(readings) == 1 else Any(tuple(readings))


def _nested(
    make: Callable[[str, str, str], Statement],
    who: Roles,
    subjects: tuple[str, ...],
    bases: tuple[str, ...],
    tasks: Mention,
    names: tuple[str, ...],
    every: tuple[str, ...],
) -> Statement:
    def over_tasks(model: str, base: str) -> Statement:
        return quantify(tasks, names, lambda task: make(model, base, task), ())

    def over_bases(model: str) -> Statement:
        others = tuple(b for b in bases if b != model)
        quant = Mention(who.base.readings, "each") if who.base.quant == "any" else who.base
        return quantify(quant, others, lambda base: over_tasks(model, base), ())

    spoken = tuple(m for m in subjects if m not in bases or len(bases) > 1)
    return quantify(who.subject, spoken, over_bases, tuple(e for e in every if e not in bases))


def quantify(
    mention: Mention,
    names: tuple[str, ...],
    make: Callable[[str], Statement],
    every: tuple[str, ...],
) -> Statement:
    """All, none, most, only or a number of the names."""
    parts = tuple(make(name) for name in names)
    if mention.quant == "none":
        return All(tuple(Never(part) for part in parts))
    if mention.quant == "any":
        return Any(parts)
    if mention.quant == "most":
        return Count(parts, len(parts) // 2 + 1, len(parts))
    if mention.quant == "count":
        return Count(parts, mention.count, len(parts) if mention.at_least else mention.count)
    if mention.quant == "only":
        rest = tuple(Not(make(other)) for other in every if other not in names)
        return All(parts + rest)
    return parts[0] if len(parts) == 1 else All(parts)
