"""What paired seeds say of a difference: its 95 % interval, and p ("A beats B on T, p = 0.052").

Only what a folder with trials knows is read; without one such statements are left alone.
"""

import re
from dataclasses import dataclass

import numpy as np

from archer.report.claims.by_seed import by_seed
from archer.report.claims.figures import Figure
from archer.report.claims.mentions import Skeleton
from archer.report.claims.table import AVERAGE, ScoreTable
from archer.report.claims.verdict import UNCLEAR, Outcome, truth
from archer.stats import mean_interval
from archer.stats.family import Pairs, judged

_P = re.compile(
    r"\bp ?(?P<way>=|<|≤|>|≥|≈|is|of) ?(?P<v>\d*\.\d+|\d+(?:\.\d+)?e-\d+|[01]\b)(?!\.?\d)"
)
# Of another test than the paired t, or of another quantity than this difference.
OTHER_TEST = re.compile(
    r"\b(?:sign-flip|mann|wilcoxon|permut\w+|one-sided|search\w*|candidates?|control|equivalen\w*|"
    r"equal\w*|within|same|alike|validation|slope|corr\w+|interaction|cannot fall|pooled)\b",
    re.IGNORECASE,
)


def differences(table: ScoreTable, a: str, b: str, task: str) -> np.ndarray | None:
    """Per seed, where both rows have the same two seeds at least."""
    one, other = by_seed(table, a, task), by_seed(table, b, task)
    if len(one) < 2 or set(one) != set(other):
        return None
    return np.array([one[s] - other[s] for s in one])


def p_values(table: ScoreTable, a: str, b: str, task: str) -> tuple[float, float] | None:
    """Of the paired t test of a against b: alone, and corrected over all that b is paired with."""
    d = differences(table, a, b, task)
    if d is None or table.identical(a, b, task):
        return None
    others = [
        Pairs(x, 1)
        for m in table.models
        if m not in (a, b)
        and not table.identical(m, b, task)
        and (x := differences(table, m, b, task)) is not None
    ]
    family = judged([Pairs(d, 1), *others])
    raw, holm = float(family["p"].iloc[0]), float(family["p_holm"].iloc[0])
    return None if raw != raw else (raw, holm)


@dataclass(frozen=True)
class DifferenceRuns:
    """The 95 % interval of the difference between two rows runs from `low` to `high`."""

    models: tuple[str, str]
    task: str
    low: Figure
    high: Figure

    def judge(self, table: ScoreTable) -> Outcome:
        d = differences(table, *self.models, self.task)
        if d is None:
            return UNCLEAR
        low, high = self.low.as_fraction()[0], self.high.as_fraction()[0]
        known = mean_interval(d if d.mean() >= 0 else -d, bounds=None)
        holds = low.fits(known.low) == high.fits(known.high) == "yes"
        return truth(holds, low.value, known.low, "the interval of the difference")


@dataclass(frozen=True)
class PIs:
    """The paired difference of two rows has this p: uncorrected, or over the rules of the task.

    Any correction makes p larger, so only a smaller one than the uncorrected is surely false.
    """

    models: tuple[str, str]
    task: str
    figure: Figure

    def judge(self, table: ScoreTable) -> Outcome:
        found = p_values(table, *self.models, self.task)
        if found is None:
            return UNCLEAR
        raw, holm = found
        if "yes" in (self.figure.fits(raw), self.figure.fits(holm)):
            return truth(True, self.figure.value, holm)
        below = self.figure.bound != ">" and self.figure.value + self._half() < raw
        return truth(False, self.figure.value, raw, "p of the paired t test") if below else UNCLEAR

    def _half(self) -> float:
        return 0.0 if self.figure.bound else 0.5 * 10.0**-self.figure.decimals


def lift(table: ScoreTable, text: str, s: Skeleton) -> None:
    """What the text says of one p goes to s.beside; the text itself is masked later."""
    found, pair = list(_P.finditer(text)), of_a_pair(table, text, s)
    if len(found) == 1 and pair is not None:
        s.beside.append(PIs(*pair, _figure(found[0])))


def of_a_pair(table: ScoreTable, text: str, s: Skeleton) -> tuple[tuple[str, str], str] | None:
    """The two rows, one of which may be the unnamed baseline, and the one column spoken of."""
    models = list(dict.fromkeys(m.single for m in s.models))
    tasks = {t.single for t in s.tasks} or {table.tasks[0] if len(table.tasks) == 1 else AVERAGE}
    if table.baseline and len(models) == 1 and models[0] != table.baseline:
        models.append(table.baseline)
    if len(models) != 2 or len(tasks) != 1 or OTHER_TEST.search(text):
        return None
    a, b, task = *models, tasks.pop()
    if a is None or b is None or task is None or not table.details.seed_scores.size:
        return None
    return (a, b), task


def _figure(match: re.Match[str]) -> Figure:
    bound = {"<": "<", "≤": "<", ">": ">", "≥": ">"}.get(match["way"], "")
    value = float(match["v"])
    decimals = 12 if "e" in match["v"] else len(match["v"].partition(".")[2])
    return Figure(value, decimals, approx=match["way"] == "≈", bound=bound)
