"""Factors: "nearly doubles Memorize", "1.9x the baseline", "less than half"."""

import re

from archer.report.claims.clause import Clause, build, roles
from archer.report.claims.statements import Ratio, Statement

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
