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
_ANY = re.compile(
    r"\b(?:doubl(?:es?|ed|ing)|twice|tripl(?:es?|ed|ing)|quadrupl(?:es?|"
    r"ed)|halv(?:es?|ed|ing)|half(?= (?:of )?(?:M|T|that|as|what)))\b|"
    r"N(\d+)"
)


def find(clause: Clause) -> list[Statement]:
    found: list[Statement] = []
    for match in _ANY.finditer(clause.text):
        stated = _factor(clause, match)
        if stated is None or clause.negated(match.start(), 2):
            continue
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
    if nearly:
        return factor, factor * 0.82, factor * 1.08
    return factor, factor * 0.9, factor * 1.2
