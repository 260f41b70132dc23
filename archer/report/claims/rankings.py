"""Places: "best on five of six tasks", "ranks second", "the largest gain is on T"."""

import re

from archer.report.claims import followers
from archer.report.claims.build import quantify
from archer.report.claims.clause import Clause
from archer.report.claims.combine import Any, Guarded, Not
from archer.report.claims.mentions import Mention
from archer.report.claims.names import group_of
from archer.report.claims.roles import inherited_subject, tasks_near
from archer.report.claims.statements import Rank, Statement
from archer.report.claims.table import AVERAGE
from archer.report.claims.widest import EXTENT, superlatives

_ORDINAL = {
    "first": 1,
    "second": 2,
    "third": 3,
    "fourth": 4,
    "fifth": 5,
    "sixth": 6,
    "seventh": 7,
    "eighth": 8,
}


_ORDINAL |= {"1st": 1, "2nd": 2, "3rd": 3, "4th": 4, "5th": 5, "6th": 6, "7th": 7, "8th": 8}


_TOP = (
    r"best|highest|top|strongest|leading|winner|leader|greatest|champion|"
    r"unbeaten|unrivalled|unmatched|maximum|most accurate|leads?(?! M| N| R|"
    r" over| of)|led|(?:wins|won|win)(?! runner| second| third)|tops(?! M)|topped|number 1|#1|"
    r"(?<=T\d )(?:goes|went|belongs) to(?= M)|(?:takes|claims|collects|captures)(?= T\d+(?! from))"
)


_LOW = r"worst|lowest|weakest|poorest|bottom|last|minimum|least accurate"


_TASK_NOUN = r"(?:tasks?|columns?|benchmarks?|datasets?|games?|tests?(?: sets?)?|categor(?:y|ies))"


PLACE = re.compile(
    rf"\b(?:(?P<next>next[- ](?:best|worst|highest|lowest|strongest|weakest))|"
    rf"(?P<ord>{'|'.join(_ORDINAL)}|runner-up|#\d|(?:rank|place|number|"
    rf"position) \d)(?:[- ](?P<of>(?:to|from|before)[- ]?(?:last|bottom)|{_TOP}|{_LOW}|"
    rf"place|rank|overall))?|"
    rf"(?P<top>{_TOP})|(?P<low>{_LOW}))(?!\w)"
)


def places(text: str) -> list[re.Match[str]]:
    """The words of a text that give a model a place."""
    found = [m for m in PLACE.finditer(text) if not _other_use(text, m)]
    # "second place goes to M": one place, not two
    return [m for i, m in enumerate(found) if not (i and m[0].endswith(" to"))]


def find(clause: Clause) -> list[Statement]:
    widest = superlatives(clause)
    if widest is not None:
        return widest
    found: list[Statement] = []
    for match in places(clause.text):
        if any(a <= match.start() < b for a, b in clause.taken):
            continue
        made = _rank(clause, match)
        if made is not None:
            found.append(made)
            if not clause.negated(match.start()):
                found += followers.find(clause, match.end(), _place(match), _tasks(clause, match))
            clause.taken.append((match.start(), match.end()))
    return found


def _other_use(text: str, match: re.Match[str]) -> bool:
    after, before = text[match.end() :], text[: match.start()]
    if match["ord"] in ("third", "fourth", "fifth") and re.match(
        r"\s*(?:below|above|under|over|less|lower|more|higher|worse|better|off|of [MT])\b", after
    ):
        return True  # "a third below the baseline"
    if re.search(
        r"\b(?:behind|short of|than|below|from|off|near|close to|against|beyond|under|over)\s*$",
        before,
    ):
        return True  # "16 points behind the winner" gives nobody a place
    if re.search(r"\bwithout (?:an? |any )?scores? (?:ranks?|comes?|is|are)\s*$", before):
        return True  # a convention, not a place
    if re.search(r"\b(?:its|their)\s*$", before) or re.match(rf"\s*{_TASK_NOUN}\b", after):
        return True  # ranks the tasks of one model
    if re.match(rf"\s*(?:\w+ )?{EXTENT}s?\b", after):
        return True  # ranks differences
    if re.match(
        r"\s*(?:of both|case|we|epoch|row|column|step|seed|time|week|"
        r"month|year|half|chunk|and foremost|,? (?:and )?we|guess|to "
        r"use)\b",
        after,
    ):
        return True
    if match["ord"] in ("first", "second", "third", "fourth", "fifth") and not match["of"]:
        return not re.search(
            r"\b(?:ranks?|ranked|places?|placed|comes?|came|finish\w*|"
            r"is|are|in|sits|stands|lands|takes|joint|close|distant|clear|puts it|puts M\d+|"
            r"T\d+,|T\d+,? and)\s*(?:\w+ly )?$|^\W*$|^M\d+ $",
            before,
        )
    if match[0] in ("last",):
        return not re.search(
            r"\b(?:ranks?|ranked|places?|placed|comes?|came|finish\w*|"
            r"is|are|dead|in|sits|stands|lands|and M\d+)\s*$",
            before,
        )
    if match[0] in ("top", "bottom", "win", "maximum", "minimum"):
        return not re.search(
            r"\b(?:is|are|has|reaches|at|on|comes|in|out on|\w+s)\s*$", before
        ) and not re.match(r"\s*(?:on|T\d|score|in|M\d|model)", after)
    return bool(re.match(r"\s*(?:by construction|at N|possible|practice)", after)) or bool(
        re.search(r"\bat\s*$", before)
    )


def _place(match: re.Match[str]) -> int:
    if match["next"]:
        return -2 if re.search(_LOW, match["next"]) else 2
    word, of = match["ord"], match["of"] or ""
    low = bool(re.fullmatch(rf"(?:(?:to|from|before)[- ]?)?(?:{_LOW})", of or match[0]))
    if not word:
        return -1 if low else 1
    number = re.search(r"\d+", word)
    place = 2 if word == "runner-up" else int(number[0]) if number else _ORDINAL[word]
    return -place if low and of else place


def _rank(clause: Clause, match: re.Match[str]) -> Statement | None:
    found = _who(clause, match)
    if found is None:
        return None
    subject, among, others = found
    place, tasks = _place(match), _tasks(clause, match)
    negated = clause.negated(match.start())
    readings: list[Statement] = []
    for rivals in among:
        for mention in tasks:
            for names in mention.readings:
                for subjects in subject.readings:

                    def on_task(
                        task: str, model: str, rivals: tuple[str, ...] = rivals
                    ) -> Statement:
                        rank: Statement = Rank(
                            model, task, place, tuple(dict.fromkeys((*rivals, model)))
                        )
                        return Not(rank) if negated else rank

                    def for_model(
                        model: str, mention: Mention = mention, names: tuple[str, ...] = names
                    ) -> Statement:
                        every = tuple(clause.table.tasks)
                        return quantify(mention, names, lambda task: on_task(task, model), every)

                    readings.append(quantify(subject, subjects, for_model, ()))
    made: Statement = Any(tuple(readings))
    if not others or negated:
        return made
    instead = [Rank(m, t, place, r) for m in others for r in among for x in tasks for t in x.names]
    return Guarded(made, Any(tuple(instead)))


# "best state-update rule": ranked among those; "best single model": among all
_KIND = re.compile(
    r"\s*(?:(?:overall|single|performing|scoring|tested|of all|individual) )*"
    r"((?:[a-z][\w-]* ){0,2})"
    r"(?:models?|variants?|rules?|updates?|modifications?|methods?|architectures?|mixers?)\b"
)


def _who(
    clause: Clause, match: re.Match[str]
) -> tuple[Mention, list[tuple[str, ...]], list[str]] | None:
    """The model ranked, the rivals it is ranked among, and who else may have been meant."""
    others: list[str] = []
    text, table = clause.text, clause.table
    kind = _KIND.match(text[match.end() :])
    among = group_of(table, kind[1]) if kind and kind[1] else [table.models]
    if not among:
        return None
    subject: Mention | None = None
    for a, b, mention in clause.models():
        lead = text[:a].rstrip()
        if (
            mention.group
            and mention.quant == "each"
            and re.search(
                r"(?:among|amongst|of|within|out of|in|best|worst|strongest|"
                r"weakest|highest|lowest|all)(?: all)?$",
                lead,
            )
        ):
            among = list(mention.readings)
        elif (
            re.search(
                r"\b(?:behind|after|to|than|over|ahead of|followed by|beating|"
                r"before|from|above|below|vs\.?|with|not|instead of)$",
                lead,
            )
            and not re.search(r"\b(?:goes|went|belongs|falls|going|belonging) to$", lead)
        ) or re.search(r"\b(?:against|versus|vs)\b", text[match.end() : a]):
            continue
        elif subject is None or (
            b <= match.start() and a > 0 and subject.single is not None and not re.match(r"M", text)
        ):
            subject = subject or mention
        elif mention.single is not None:
            others.append(mention.single)
    if subject is None:
        subject = inherited_subject(clause)
    if subject is None or (
        len(subject.names) > 1
        and subject.quant == "each"
        and not subject.group
        and abs(_place(match)) > 1
    ):
        return None
    if len(subject.names) > 1 and subject.quant == "each":
        return None
    return subject, among, others


def _tasks(clause: Clause, match: re.Match[str]) -> tuple[Mention, ...]:
    near = tasks_near(clause, match.start(), match.end())
    return near or (Mention(((AVERAGE,),)),)
