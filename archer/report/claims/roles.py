"""Who a clause compares with whom, and on which task."""

import re
from dataclasses import dataclass

from archer.report.claims.clause import Clause
from archer.report.claims.grammar import Trigger, triggers
from archer.report.claims.mentions import Mention


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


_OBJECT = re.compile(r"(?:above|below|behind|ahead of|[a-z]+ than)\s*")


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
        elif trigger is not None and _OBJECT.fullmatch(trigger.word + lead):
            base = mention  # whatever the base before: "0.1 above A and 0.2 above B"
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
            r"accuracy|scores?|results?|values?|performance|points?|\W)*(?:on|in|for|at|across|"
            r"of)?\s*",
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
