"""Places: "best on five of six tasks", "ranks second", "the largest gain is on T"."""

import re

from archer.report.claims.clause import Clause, inherited_subject, quantify, tasks_near
from archer.report.claims.combine import Any, Guarded, Not, Unsure
from archer.report.claims.mentions import Mention
from archer.report.claims.names import group_of
from archer.report.claims.statements import Rank, Statement, Widest
from archer.report.claims.table import AVERAGE

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
    r"unbeaten|unrivalled|unmatched|maximum|most accurate|leads?(?! M| N|"
    r" over| of)|led|wins|won|win|tops(?! M)|topped|number 1|#1|"
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
_EXTENT = (
    r"(?:gains?|drop|improvement|gap|lift|increase|decrease|loss|difference|"
    r"effect|regression|jump|margin|change|boost|decline|degradation|deficit|"
    r"advantage|lead|benefit|rise|hit|cost|spread|range|variation|swing|"
    r"movement|delta|win)"
)
WIDEST = re.compile(
    rf"\b(?P<size>largest|biggest|greatest|widest|most|smallest|least|"
    rf"narrowest|strongest|weakest|steepest|highest|best|worst|only) (?:\w+ )??(?P<what>{_EXTENT})"
    rf"\b|"
    rf"\b(?P<what2>{_EXTENT}) (?:\(\S+\) )?(?:is|are|was) (?:by far )?(?P<size2>largest|"
    rf"biggest|greatest|widest|smallest|least|narrowest|strongest)\b|"
    r"\b(?P<verb>(?:gains?|improves?|benefits?|loses?|drops?|suffers?|"
    r"differs?|varies|helps?|hurts?|moves?|falls?|rises?)) (?:the )?(?P<how>most|"
    r"least)\b"
)


def places(text: str) -> list[re.Match[str]]:
    """The words of a text that give a model a place."""
    found = [m for m in PLACE.finditer(text) if not _other_use(text, m)]
    # "second place goes to M": one place, not two
    return [m for i, m in enumerate(found) if not (i and m[0].endswith(" to"))]


def find(clause: Clause) -> list[Statement]:
    widest = _widest(clause)
    if widest is not None:
        return widest
    found: list[Statement] = []
    for match in places(clause.text):
        if any(a <= match.start() < b for a, b in clause.taken):
            continue
        made = _rank(clause, match)
        if made is not None:
            found.append(made)
            clause.taken.append((match.start(), match.end()))
    return found


def _other_use(text: str, match: re.Match[str]) -> bool:
    after, before = text[match.end() :], text[: match.start()]
    if re.search(
        r"\b(?:behind|short of|than|below|from|off|near|close to|against|beyond|under|over)\s*$",
        before,
    ):
        return True  # "16 points behind the winner" gives nobody a place
    if re.search(r"\b(?:its|their)\s*$", before) or re.match(rf"\s*{_TASK_NOUN}\b", after):
        return True  # ranks the tasks of one model
    if re.match(rf"\s*(?:\w+ )?{_EXTENT}s?\b", after):
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
            r"T\d+,|T\d+,? and)\s*(?:\w+ly )?$|^\W*$",
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
        elif re.search(
            r"\b(?:behind|after|to|than|over|ahead of|followed by|beating|"
            r"before|from|above|below|vs\.?|with)$",
            lead,
        ) and not re.search(r"\b(?:goes|went|belongs|falls|going|belonging) to$", lead):
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


def _widest(clause: Clause) -> list[Statement] | None:
    """Superlatives about differences and about tasks; None when there is none."""
    match = WIDEST.search(clause.text)
    if match is None or any(a <= match.start() < b for a, b in clause.taken):
        return None
    clause.taken.append((match.start(), match.end()))
    made = _widest_statement(clause, match)
    for trigger in re.finditer(rf"\b{_EXTENT}\b", clause.text):
        clause.taken.append((trigger.start(), trigger.end()))
    return [made] if made is not None else []


def _what(match: re.Match[str]) -> str:
    return match["what"] or match["what2"] or ""


def _sign(word: str) -> int:
    if re.match(
        r"drop|decrease|loss|regression|decline|degradation|deficit|hit|cost|lose|suffer|hurt|fall",
        word,
    ):
        return -1
    return (
        1
        if re.match(
            r"gain|improve|lift|increase|jump|boost|advantage|lead|benefit|rise|help|win", word
        )
        else 0
    )


def _widest_statement(clause: Clause, match: re.Match[str]) -> Statement | None:
    table, sign = clause.table, _sign(_what(match) or match["verb"])
    size = match["size"] or match["size2"] or match["how"]
    if size == "only" or clause.negated(match.start()):
        return None
    largest = size not in ("smallest", "least", "narrowest", "weakest")
    models = [m for _, _, m in clause.models()]
    tasks = [t for _, _, t in clause.tasks()]
    if any(m.group for m in models) or len(models) > 2 or len(tasks) > 1:
        return None
    single = [m.single for m in models]
    pair = models[0].names if len(models) == 1 and len(models[0].names) == 2 else None
    if len(models) == 2 and None not in single:
        pair = (str(single[0]), str(single[1]))
    task = tasks[0].single if tasks else None
    readings: list[Statement] = []
    base = table.baseline
    subject = single[0] if len(models) == 1 else None
    if not models and clause.context.subject is not None:
        subject = clause.context.subject.single
    after = clause.text[match.end() :]
    over_tasks = bool(match["what2"]) or not re.match(r"\s*(?:over M\d+ )?(?:on|in|at) T\d", after)
    over_models = (
        not match["what2"]
        and not re.match(r"\s*(?:of|for|by|from|between|with)? ?M\d+.*T\d", after)
        and not re.search(r"\bM\d+ (?:has |shows |sees |its )?$", clause.text[: match.start()])
    )
    if not over_tasks and not over_models:  # "M shows the largest gain on T" may mean both
        over_tasks = over_models = True
    if task is not None and task != AVERAGE and over_tasks:
        couples = (
            [pair, pair[::-1]]
            if pair
            else [(subject, base)]
            if subject and base and subject != base
            else []
        )
        for a, b in couples:
            sizes = {t: _extent(table.score(a, t) - table.score(b, t), sign) for t in table.tasks}
            readings.append(Widest(task, tuple(sizes.items()), largest))
        if not models and _what(match) in (
            "spread",
            "range",
            "variation",
            "gap",
            "difference",
            "swing",
            "effect",
        ):
            spread = {t: float(table.values[t].max() - table.values[t].min()) for t in table.tasks}
            readings.append(Widest(task, tuple(spread.items()), largest))
    if subject is None and pair and base in pair:
        subject = pair[0] if pair[1] == base else pair[1]
    if (
        subject is not None
        and base is not None
        and subject != base
        and task is not None
        and over_models
    ):
        sizes = {
            m: _extent(table.score(m, task) - table.score(base, task), sign)
            for m in table.models
            if m != base
        }
        readings.append(Widest(subject, tuple(sizes.items()), largest))
    return Any(tuple(readings)) if readings else None


def _extent(difference: float, sign: int) -> float:
    return sign * difference if sign else abs(difference)


def tasks_of_model(clause: Clause) -> list[Statement]:
    """ "Its best task is T", "the hardest task for M is T"."""
    match = re.search(
        r"\b(best|strongest|highest|easiest|worst|weakest|lowest|hardest|"
        r"most difficult)(?:-scoring)? (?:task|column|score|benchmark|"
        r"result)s?\b",
        clause.text,
    )
    tasks = [t.single for _, _, t in clause.tasks()]
    models = [m.single for _, _, m in clause.models()]
    if match is None or len(tasks) != 1 or tasks[0] in (None, AVERAGE) or len(models) > 1:
        return []
    if not re.search(
        r"(?:task|column|score|benchmark|result)s? ?(?:(?:for|of) M\d+ "
        r")?(?:is|comes? (?:on|from|in)|was|:|\(|are|,|on T\d+(?! (?:is|"
        r"goes|belongs|comes))$)",
        clause.text[match.start() :],
    ):
        return []
    if re.search(r"T\d+ (?:\(N\d+\) )?(?:is|goes|belongs|comes)\b.*M\d", clause.text):
        return []
    model = (
        models[0] if models else (clause.context.subject.single if clause.context.subject else None)
    )
    largest = match[1] in ("best", "strongest", "highest", "easiest")
    table, task = clause.table, str(tasks[0])
    clause.taken.append((match.start(), match.end()))
    if model is None:
        sizes = {t: float(table.values[t].mean()) for t in table.tasks}
        return [Unsure(Widest(task, tuple(sizes.items()), largest))]
    sizes = {t: table.score(model, t) for t in table.tasks}
    return [Widest(task, tuple(sizes.items()), largest)]
