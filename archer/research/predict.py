"""Did the reasons predict anything? Expected changes, stored before training, against measured."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from archer.research.entries import Entry

SAME = 0.01  # a change no larger than this counts as none
RESAMPLES = 2000
COLUMNS = ("rule", "task", "expected", "observed")


@dataclass(frozen=True)
class Prediction:
    """How good the expectations of `rules` candidates were, over n changes of a task's score.

    hits: share whose direction was right (up, down, or same within SAME); hits_still: of the
    forecast that nothing ever changes. error, error_still: mean absolute errors of both. slope:
    of observed on expected, through a straight line with intercept; 1 is calibrated, 0 means that
    expecting more brought no more; low, high: 95 %, resampling candidates. NaN where not defined.
    """

    rules: int
    n: int
    hits: float
    hits_still: float
    error: float
    error_still: float
    slope: float
    low: float
    high: float

    @property
    def skill(self) -> float:
        """1 - error / error_still: above 0 the expectations beat expecting nothing."""
        return 1 - self.error / self.error_still if self.error_still > 0 else math.nan


def predictions(
    entries: Sequence[Entry], scores: Mapping[str, Mapping[str, Mapping[int, float]]]
) -> pd.DataFrame:
    """One row per candidate and task with an expectation and a measured change against the parent.

    scores: accuracy by rule (id or built-in name), task and seed; the change is paired over seeds.
    """
    rows = []
    for entry in entries:
        own, base = scores.get(entry.id, {}), scores.get(entry.parent, {})
        for task, expected in entry.proposal.expected.items():
            mine, theirs = own.get(task, {}), base.get(task, {})
            changes = [mine[seed] - theirs[seed] for seed in mine if seed in theirs]
            if changes and not any(map(math.isnan, changes)):
                rows.append((entry.id, task, expected, float(np.mean(changes))))
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"expected": float, "observed": float})


def score(found: pd.DataFrame) -> Prediction | None:
    """The score of `predictions`; None where there are none."""
    if found.empty:
        return None
    x, y = found["expected"].to_numpy(float), found["observed"].to_numpy(float)
    low, high = _slope_interval(found)
    return Prediction(
        rules=int(found["rule"].nunique()),
        n=len(found),
        hits=float(np.mean(_direction(x) == _direction(y))),
        hits_still=float(np.mean(_direction(y) == 0)),
        error=float(np.mean(np.abs(x - y))),
        error_still=float(np.mean(np.abs(y))),
        slope=_slope(x, y),
        low=low,
        high=high,
    )


def _direction(change: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.abs(change) <= SAME, 0.0, np.sign(change))


def _slope(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    spread = x - x.mean()
    total = float(spread @ spread)
    return float(spread @ y) / total if total > 1e-12 else math.nan


def _slope_interval(found: pd.DataFrame) -> tuple[float, float]:
    """Percentile bootstrap over candidates, whose tasks belong together; from five on."""
    parts = [part[["expected", "observed"]].to_numpy(float) for _, part in found.groupby("rule")]
    if len(parts) < 5:
        return math.nan, math.nan
    rng = np.random.default_rng(0)
    slopes = []
    for _ in range(RESAMPLES):
        drawn = np.concatenate([parts[i] for i in rng.integers(len(parts), size=len(parts))])
        slopes.append(_slope(drawn[:, 0], drawn[:, 1]))
    known = np.asarray(slopes)[~np.isnan(slopes)]
    if not len(known):
        return math.nan, math.nan
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)
