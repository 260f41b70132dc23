"""What a result folder knows beyond its table: the scores of each seed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from archer.stats import mean_interval

Over = Literal["sd", "low", "high"]


@dataclass(frozen=True)
class Details:
    """seed_scores: columns row, column (task as in the table), seed, score; one row per seed.

    identical: pairs of row names and a task that one training makes equal by construction, as
    {(row, row, task)}; when None, the known rules of the laboratory are recognised by name.
    knobs, learned: by (row, knob), the values that trials had, and where learning took them (mean
    over trials, over selected ones). steps: row, setting, seconds and steps of every training.
    cells: by (row, column), the deviation over seeds, the ends of the 95 % interval, the mean.
    """

    seed_scores: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=["row", "column", "seed", "score"])
    )
    identical: frozenset[tuple[str, str, str]] | None = None
    knobs: Mapping[tuple[str, str], tuple[float, ...]] = field(default_factory=dict)
    learned: Mapping[tuple[str, str], tuple[float, ...]] = field(default_factory=dict)
    steps: pd.DataFrame = field(
        default_factory=lambda: pd.DataFrame(columns=["row", "setting", "seconds", "steps"])
    )
    cells: Mapping[tuple[str, str], tuple[float, float, float, float]] = field(default_factory=dict)

    def cell(self, row: str, column: str) -> pd.Series:
        """Scores by seed; empty when nothing is known."""
        frame = self.seed_scores
        chosen = frame[(frame["row"] == row) & (frame["column"] == column)]
        return chosen.set_index("seed")["score"]

    @property
    def many(self) -> int | None:
        """How many seeds there are, where every cell has as many; None: unknown, or they differ."""
        sizes = self.seed_scores.groupby(["row", "column"]).size().unique()
        return int(sizes[0]) if len(sizes) == 1 else None

    def within_noise(self, a: str, b: str, column: str) -> bool | None:
        """Does the 95 % t interval of the paired difference hold zero? None: seeds unknown."""
        if self.seed_scores.empty:
            return None
        both = pd.concat([self.cell(a, column), self.cell(b, column)], axis=1, join="inner")
        if len(both) < 2:
            return None
        d = both.iloc[:, 0].to_numpy(float) - both.iloc[:, 1].to_numpy(float)
        if np.ptp(d) == 0:
            return bool(d[0] == 0)
        interval = stats.ttest_1samp(d, 0.0).confidence_interval(0.95)
        return bool(interval.low <= 0 <= interval.high)

    def over_seeds(self, row: str, column: str, which: Over = "sd") -> tuple[float, ...]:
        """The deviation, or an end of the 95 % interval: of the trials, and as the folder says."""
        told = self.cells.get((row, column))
        found = (told[("sd", "low", "high").index(which)],) if told else ()
        x = self.cell(row, column).to_numpy(float)
        if len(x) < 2:
            return found
        return (
            getattr(mean_interval(x), which),
            *found,
            *((float(x.std()),) if which == "sd" else ()),
        )

    def spreads(self, row: str, column: str) -> tuple[float, ...]:
        """What may stand behind +-: deviation, standard error, half of the 95 % interval; where it
        was cut at a bound of scores, the distance to its farther end."""
        found = *self.over_seeds(row, column), *self._to_the_farther_end(row, column)
        n = len(self.cell(row, column))
        if n < 2:
            return found
        error = found[0] / n**0.5
        return *found, error, float(stats.t.ppf(0.975, n - 1)) * error

    def _to_the_farther_end(self, row: str, column: str) -> tuple[float, ...]:
        low, high = self.over_seeds(row, column, "low"), self.over_seeds(row, column, "high")
        told, seeds = self.cells.get((row, column)), self.cell(row, column)
        if seeds.empty and not told:
            return ()
        mean = float(seeds.mean()) if told is None else told[3]
        ends = zip(low, high, strict=True)
        return tuple(max(above - mean, mean - below) for below, above in ends)

    @property
    def has_times(self) -> bool:
        return not self.steps.empty

    def times(self, row: str) -> dict[str, float]:
        """Seconds in all, per trial and per step of a row's own trainings; empty when unknown."""
        mine = self.steps[self.steps["row"] == row]
        if mine.empty:
            return {}
        total = float(mine["seconds"].sum())
        found = {"all": total, "trial": total / len(mine)}
        per_step = seconds_per_step(self.steps, "row")
        return found | ({"step": per_step[row]} if row in per_step else {})

    def time_ratios(self, row: str, base: str) -> tuple[float, ...]:
        """A row's time over another's: per step on common settings, and in all."""
        if not (self.times(row) and self.times(base)):
            return ()
        each = self.steps.assign(each=self.steps["seconds"] / self.steps["steps"])
        means = each.groupby(["row", "setting"])["each"].mean()
        common = (means[row] / means[base]).dropna()
        mine, other = self.times(row).get("step"), self.times(base).get("step")
        found = [mine / other] if mine and other else []
        found += [float(common.mean())] if len(common) else []
        return (*found, self.times(row)["all"] / self.times(base)["all"])


def seconds_per_step(trials: pd.DataFrame, by: str) -> dict[str, float]:
    """All seconds over all steps, on the settings that every row trained; empty without any.

    trials: seconds, steps, setting and `by`, the column that tells rows apart.
    """
    if trials.empty:
        return {}
    sums = trials.groupby(["setting", by])[["seconds", "steps"]].sum().unstack(by).dropna()
    seconds, steps = (dict(pd.DataFrame(sums[name]).sum()) for name in ("seconds", "steps"))
    return {str(row): float(seconds[row]) / float(steps[row]) for row in seconds if steps[row]}


def from_trials(trials: pd.DataFrame) -> Details:
    """Scores per seed of a folder's trials: the selected ones, averaged over settings.

    trials: see `archer.mad.scoring.select`, and row (the name in the table). A column identical_to
    says where a trial ran another rule's graph. Details without seeds when columns are missing:
    the table alone is then what can be checked.
    """
    needed = {"rule", "row", "task", "setting", "seed", "test_accuracy", "protocol"}
    if not needed <= set(trials) or trials["protocol"].nunique() != 1:
        return Details()
    # These load torch, which a table alone does not need.
    from archer.mad.scoring import select, task_scores
    from archer.mad.settings import COLUMNS

    rows = trials.drop_duplicates("rule").set_index("rule")["row"]
    protocol: Literal["strict", "mad-lab"] = (
        "strict" if trials["protocol"].iloc[0] == "strict" else "mad-lab"
    )
    scores = task_scores(select(trials, protocol)).dropna()
    scores["row"] = scores["rule"].map(rows)
    scores["column"] = scores["task"].replace(COLUMNS)
    kept = scores.rename(columns={"accuracy": "score"})[["row", "column", "seed", "score"]]
    return Details(
        kept,
        _identical(trials, rows, COLUMNS) if "identical_to" in trials else None,
        _knobs(trials),
        _learned(trials, select(trials, protocol)),
        _steps(trials),
    )


def from_cells(cells: pd.DataFrame) -> dict[tuple[str, str], tuple[float, float, float, float]]:
    """Deviation, interval and mean by (row, column) of a folder's cells.csv; empty without one.

    Without a column of means they are the middles of the intervals.
    """
    needed = ["row", "column", "sd", "low", "high"]
    if not set(needed) <= set(cells):
        return {}
    known = cells[needed].dropna()
    middles = (known["low"] + known["high"]) / 2
    known = known.assign(mean=cells.get("mean", middles))
    return {
        (str(r), str(c)): (float(s), float(a), float(b), float(m))
        for r, c, s, a, b, m in known.to_numpy()
    }


def _knobs(trials: pd.DataFrame) -> dict[tuple[str, str], tuple[float, ...]]:
    """Values by (row, knob)."""
    found = {}
    for column in (str(c) for c in trials if str(c).startswith("knob.")):
        for row, values in trials.groupby("row")[column]:
            used = tuple(sorted(float(v) for v in values.dropna().unique()))
            if used:
                found[str(row), str(column).removeprefix("knob.")] = used
    return found


def _learned(
    trials: pd.DataFrame, chosen: pd.DataFrame
) -> dict[tuple[str, str], tuple[float, ...]]:
    """Where learned knobs ended, by (row, knob): means over all trials, over the selected."""
    found = {}
    for column in (str(c) for c in trials if str(c).startswith("learned.")):
        means = [part.groupby("row")[column].mean() for part in (trials, chosen) if column in part]
        for row in means[0].dropna().index:
            ends = tuple(float(m[row]) for m in means if row in m and m[row] == m[row])
            found[str(row), str(column).removeprefix("learned.")] = ends
    return found


def _steps(trials: pd.DataFrame) -> pd.DataFrame:
    """Each training once: what is identical to another's in the table was not trained."""
    # loads torch, which a table alone does not need
    from archer.mad.trained import trained

    wanted = ["row", "setting", "seconds", "steps"]
    if not set(wanted) <= set(trials):
        return Details().steps
    own = trained(trials)
    own = own[own["seconds"].notna() & (own["steps"] > 0)]
    return own[wanted]


def _identical(
    trials: pd.DataFrame, rows: pd.Series, columns: dict[str, str]
) -> frozenset[tuple[str, str, str]]:
    """Pairs of rows that ran one graph in every setting of a task."""
    found: set[tuple[str, str, str]] = set()
    for task, part in trials.groupby("task"):
        graph = (
            part["identical_to"].astype(object).where(part["identical_to"].notna(), part["rule"])
        )
        runs = graph.groupby(part["rule"]).agg(["nunique", "first"])
        whole = runs[runs["nunique"] == 1]["first"]
        for a, b in combinations(whole.index, 2):
            if whole[a] == whole[b]:
                found.add((str(rows[a]), str(rows[b]), columns.get(str(task), str(task))))
    return frozenset(found)
