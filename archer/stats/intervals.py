"""Mean, deviation and 95 % interval of a cell over its seeds."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from archer.stats.frame import CELL, check_scores, constant

LEVEL = 0.95
RESAMPLES = 9999


@dataclass(frozen=True)
class Interval:
    """mean, sd (n - 1 below the bar; nan with one seed), n, the interval's ends and its method."""

    mean: float
    sd: float
    n: int
    low: float
    high: float
    method: str


def mean_interval(values: ArrayLike, bounds: tuple[float, float] | None = (0.0, 1.0)) -> Interval:
    """95 % interval of the mean of one number per seed.

    Student's t. Where its ends would leave the bounds of the metric, the percentile bootstrap of
    the mean (scipy, fixed stream) from three seeds on; with two seeds a bootstrap has three
    outcomes only, so the t interval is cut at the bounds, which keeps its coverage.
    With one seed there is no interval: ends nan, method "none: one seed".
    """
    x = np.asarray(values, float)
    n = len(x)
    mean = float(x.mean()) if n else float("nan")
    if n < 2:
        return Interval(mean, float("nan"), n, float("nan"), float("nan"), "none: one seed")
    sd = float(x.std(ddof=1))
    if constant(x):
        return Interval(mean, 0.0, n, mean, mean, "t")
    low, high = (float(end) for end in stats.t.interval(LEVEL, n - 1, mean, sd / np.sqrt(n)))
    if bounds is None or (low >= bounds[0] and high <= bounds[1]):
        return Interval(mean, sd, n, low, high, "t")
    if n == 2:
        return Interval(mean, sd, n, max(low, bounds[0]), min(high, bounds[1]), "t")
    drawn = stats.bootstrap(
        (x,),
        np.mean,
        confidence_level=LEVEL,
        n_resamples=RESAMPLES,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Interval(mean, sd, n, float(drawn.low), float(drawn.high), "bootstrap")


def seed_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """One score per rule, task and seed: the plain mean of its settings.

    A seed that lacks a setting which another seed of the same cell has is left out: a mean over
    other settings is another quantity. Columns: rule, row, task, column, seed, score, settings.
    """
    scores = check_scores(scores)
    cells = scores.groupby([*CELL, "seed"], sort=False, as_index=False).agg(
        score=("accuracy", "mean"), settings=("setting", "nunique")
    )
    most = cells.groupby(CELL, sort=False)["settings"].transform("max")
    whole: pd.DataFrame = cells[cells["settings"] == most].reset_index(drop=True)
    return whole


def cell_summary(scores: pd.DataFrame) -> pd.DataFrame:
    """Per rule and task: mean, sd, n (seeds), low, high (95 %) and the interval's method.

    method: "t", "bootstrap" or "none: one seed" (see `mean_interval`).
    """
    rows = []
    for key, cell in seed_scores(scores).groupby(CELL, sort=False):
        interval = mean_interval(cell["score"].to_numpy(float))
        rows.append(dict(zip(CELL, key, strict=True)) | vars(interval))
    return pd.DataFrame(rows, columns=[*CELL, *Interval.__dataclass_fields__])
