"""Factors: "nearly doubles Memorize", "1.9x the baseline", "less than half"."""

import re
from dataclasses import dataclass

from archer.report.claims.build import build
from archer.report.claims.clause import Clause
from archer.report.claims.roles import roles
from archer.report.claims.statements import Statement, known
from archer.report.claims.table import ScoreTable
from archer.report.claims.verdict import UNCLEAR, Outcome, truth

_WORDS = {
    "double": 2.0,
    "doubl": 2.0,
    "twice": 2.0,
    "tripl": 3.0,
    "three times": 3.0,
    "quadrupl": 4.0,
    "halv": 0.5,
    "half": 0.5,
}


ANY = re.compile(
    r"\b(?:doubl(?:es?|ed|ing)|twice|tripl(?:es?|ed|ing)|quadrupl(?:es?|"
    r"ed)|halv(?:es?|ed|ing)|half(?= (?:of )?(?:M|T|that|as|what)))\b|"
    r"N(\d+)"
)


def find(clause: Clause) -> list[Statement]:
    found: list[Statement] = []
    for match in ANY.finditer(clause.text):
        stated = _factor(clause, match)
        if stated is None or clause.negated(match.start(), 2):
            continue
        if re.match(
            r" (?:that|those|what|as (?:much|large|big|great|high))\b", clause.text[match.end() :]
        ):
            continue  # of some other quantity
        who = roles(clause, match.start(), match.end())
        if match[1]:
            clause.used.add(int(match[1]))
        if who is None:
            continue
        factor, low, high = stated
        found.append(
            build(
                lambda m, o, t, f=factor, a=low, b=high: Ratio(m, o, t, f, a, b),  # type: ignore[misc]
                who,
                every=clause.table.models,
            )
        )
        clause.taken.append((match.start(), match.end()))
        start = max(0, match.start() - 40)
        for word in re.finditer(
            r"\b(?:improves?|increases?|raises?|lifts?|boosts?|higher|better)\b",
            clause.text[start:],
        ):
            clause.taken.append((start + word.start(), start + word.end()))
    return found


def _factor(clause: Clause, match: re.Match[str]) -> tuple[float, float, float] | None:
    """(factor, lowest, highest) ratio that the words allow."""
    before = clause.text[: match.start()]
    if match[1]:
        figure = clause.skeleton.figures[int(match[1])]
        if figure.unit != "x" and not re.search(r"factor of (?:\w+ )?$", before):
            return None
        half = 10.0**-figure.decimals * (1.0 if figure.approx else 0.5)
        value = figure.value
        if figure.bound:
            ends = (value, 1e9) if figure.bound == ">" else (0.0, value)
            return value, *ends
        low, high = value - half * 1.1, value + half * 1.1
        if re.search(r"\b(?:drop|fall|reduc|decreas|declin|lower|smaller)\w*", before):
            return value, 1 / high, 1 / max(low, 1e-9)
        return value, low, high
    factor = next(f for word, f in _WORDS.items() if match[0].startswith(word))
    nearly = re.search(
        r"\b(?:nearly|almost|close to|not quite|just under|about|roughly|"
        r"approximately|around)\s*(?:\w+ )?$",
        before,
    )
    more = re.search(r"\b(?:more than|over|at least)\s*$", before)
    less = re.search(r"\b(?:less than|under|below|fewer than)\s*$", before)
    shrinks = match[0].startswith("halv")  # "more than halves": below a half
    if (more and not shrinks) or (less and shrinks):
        return factor, factor, 1e9
    if more or less:
        return factor, 0.0, factor
    if nearly and shrinks:
        return factor, factor * 0.92, factor * 1.2
    if nearly:
        return factor, factor * 0.82, factor * 1.08
    return factor, factor * 0.9, factor * 1.2


# "a third of its Fuzzy Recall is lost", "gives up two thirds of T"
_PART = re.compile(
    r"(?P<hedge>(?:about|roughly|nearly|almost|around|some|close to|more than|over|less than) )?"
    r"\b(?P<n>[123])?[ -]?(?P<d>half|thirds?|quarters?|fifths?) of (?:its |their |M\d+ )*T\d+"
)


_SIZES = {"half": 0.5, "third": 1 / 3, "quarter": 0.25, "fifth": 0.2}


_LOST = re.compile(
    r"\b(?:lost|loses?|losing|gives? up|sheds|forfeits?|sacrific\w+|gone|wiped out)\b"
)


_SHARE = re.compile(
    r"\b(?P<n>[123])?[ -]?(?P<d>half|thirds?|quarters?|fifths?) (?:of|as (?:much|high|good) as) "
    r"(?:that of |what )?(?=M\d)"
)


def shares(clause: Clause) -> list[Statement]:
    """ "0.306 at 64k, about two thirds of M's": a factor of the other."""
    match = _SHARE.search(clause.text)
    if match is None or _LOST.search(clause.text) or clause.negated(match.start()):
        return []
    who = roles(clause, match.start(), match.end())
    if who is None or clause.models()[-1][0] < match.end():
        return []
    part = _SIZES[match["d"].removesuffix("s")] * int(match["n"] or 1)
    low, high = part - 0.06, part + 0.06
    return [build(lambda m, o, t: Ratio(m, o, t, part, low, high), who, every=clause.table.models)]


def lost_parts(clause: Clause) -> list[Statement]:
    """ "About a third of T is lost with M": what is left, as a factor of the base."""
    match = _PART.search(clause.text)
    if match is None or not _LOST.search(clause.text):
        return []
    who = roles(clause, match.start(), match.end() - len(re.split(r" (?=T)", match[0])[-1]))
    if who is None:
        return []
    part = _SIZES[match["d"].removesuffix("s")] * int(match["n"] or 1)
    hedge = match["hedge"] or ""
    low, high = part - 0.08, part + 0.08
    if hedge.startswith(("more", "over")):
        low, high = part, 1.0
    if hedge.startswith("less"):
        low, high = 0.0, part
    clause.taken.append((0, len(clause.text)))
    left, ends = 1 - part, (1 - high, 1 - low)
    return [build(lambda m, o, t: Ratio(m, o, t, left, *ends), who, every=clause.table.models)]


@dataclass(frozen=True)
class Ratio:
    """`model`'s score is `low` to `high` times that of `base`."""

    model: str
    base: str
    task: str
    stated: float
    low: float
    high: float

    def judge(self, table: ScoreTable) -> Outcome:
        new, old = table.score(self.model, self.task), table.score(self.base, self.task)
        if not known(new, old) or self.model == self.base or old <= 0:
            return UNCLEAR
        note = table.note(self.model, self.base, self.task)
        return truth(self.low <= new / old <= self.high, self.stated, new / old, note)
