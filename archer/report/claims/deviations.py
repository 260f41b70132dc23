"""Deviations and intervals over seeds: "0.437 ± 0.075 (sd)", "its 95 % interval is 0.25 to 0.62".

Only what a result folder knows is read; without one such statements are left alone.
"""

import re
from dataclasses import dataclass
from itertools import combinations

from archer.report.claims.combine import All, Any
from archer.report.claims.details import Over
from archer.report.claims.figures import Figure
from archer.report.claims.mentions import Mention, Skeleton
from archer.report.claims.paired import DifferenceRuns
from archer.report.claims.statements import Statement
from archer.report.claims.table import AVERAGE, ScoreTable
from archer.report.claims.verdict import UNCLEAR, Outcome, truth

_SD = r"(?:sds?|s\.d\.|std\.?(?: dev(?:iation)?\.?)?|stdev|deviations?|σ)"
_CI = r"(?:95 ?% )?(?:confidence )?(?:intervals?|cis?)(?: \(95 ?%\))?"
_IS = (
    r"\s|of|is|are|was|=|:|at|about|around|roughly|≈|~|only|just|"
    r"(?:for|on|in|with|by) [MT]\d+|[MT]\d+"
)
_AND = r"(?:,? ?(?:and|with) )?(?:\b(?:an?|the|its|whose) )?(?<!\w)"
_SEEDS = r"(?: (?:over|across|between|of)(?: the| its| all)?(?: \w+)? seeds?)?"
_X = r"(?P<{}>\d*\.?\d+)(?P<u{}> ?(?:%|pp|points))?(?![\d.]*\d)"
_ONE = re.compile(
    rf"{_AND}{_SD}{_SEEDS}(?:{_IS})*{_X.format('v', 'v')}{_SEEDS}|"
    rf"(?<= )± ?{_X.format('w', 'w')} ?\(?{_SD}{_SEEDS}\)?",
    re.IGNORECASE,
)
_ENDS = re.compile(
    rf"{_AND}{_CI}(?:{_IS}|from|runs|spans|,|\[|\()*"
    rf"{_X.format('a', 'a')} ?(?:to|and|,|–|—|-|\.\.) ?{_X.format('b', 'b')}\]?",
    re.IGNORECASE,
)
# "The interval of the difference", "... 0.095, that of delta 0.051": not of one cell.
_OF_ANOTHER = re.compile(
    r"\b(?:differences?|gaps?|gains?|lifts?|lead|margin|effect|change|improvement|advantage|paired|"
    r"that of|that for|those of|respectively|average[ds]?|mean over|validation)\b|Δ",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class OverSeeds:
    """The deviation ("sd") of one of the cells, or an end of its interval, is `figure`."""

    cells: tuple[tuple[str, str], ...]
    which: Over
    figure: Figure

    def judge(self, table: ScoreTable) -> Outcome:
        known = [x for c in self.cells for x in table.details.over_seeds(*c, self.which)]
        fits = [x for x in known for f in self.figure.as_fraction() if f.fits(x) != "no"]
        return truth(bool(fits), self.figure.value, (fits or known)[0]) if known else UNCLEAR


def lift(table: ScoreTable, text: str, s: Skeleton) -> str:
    """The text without what it says of deviations; that goes to s.beside as statements."""
    known = table.details.cells or len(table.details.seed_scores)
    if not known or _OF_ANOTHER.search(text):
        return text
    cells = _cells(table, s)
    pairs = list(combinations(dict.fromkeys(m.single for m in s.models if m.single), 2))
    tasks = [t.single for t in s.tasks if t.single] or [AVERAGE]
    for match in reversed(list(_ENDS.finditer(text))):
        low, high = _figure(match, "a"), _figure(match, "b")
        made: tuple[Statement, ...] = (
            All((OverSeeds(cells, "low", low), OverSeeds(cells, "high", high))),
            *(DifferenceRuns(pair, t, low, high) for pair in pairs for t in tasks),
        )
        s.beside.append(Any(made))
        text = _without(text, match)
    for match in reversed(list(_ONE.finditer(text))):
        figure = _figure(match, "v" if match["v"] else "w")
        s.beside.append(OverSeeds(cells, "sd", figure))
        text = _without(text, match)
    return text


def _without(text: str, match: re.Match[str]) -> str:
    """Only the names of what was read stay."""
    names = " ".join(re.findall(r"\b[MT]\d+", match[0]))
    return f"{text[: match.start()]} {names} {text[match.end() :]}"


def _cells(table: ScoreTable, s: Skeleton) -> tuple[tuple[str, str], ...]:
    """All that the sentence names: a figure that is the deviation of any is not refuted."""
    return tuple(
        (m, t) for m in _names(s.models, table.models) for t in _names(s.tasks, table.tasks)
    )


def _names(mentions: list[Mention], every: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(n for m in mentions for r in m.readings for n in r if n != AVERAGE) or every


def _figure(match: re.Match[str], group: str) -> Figure:
    unit = (match["u" + group] or "").strip()
    return Figure(float(match[group]), len(match[group].partition(".")[2]), unit)
