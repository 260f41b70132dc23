"""Is the search better than chance? Its candidates against those of a random control."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

PERMUTATIONS = 9999


@dataclass(frozen=True)
class Chance:
    """Two arms of one budget, by each candidate's score less delta's.

    n: candidates asked for; scored: those that were trained to a score; the others rank below all.
    best: the highest. p_typical: one-sided Mann-Whitney test that a candidate of the search ranks
    above one of the control. p_best: one-sided permutation test of the difference between the
    best. curve: (k, expected best of k drawn from the search, of k from the control).
    """

    n: int
    n_control: int
    scored: int
    scored_control: int
    best: float
    best_control: float
    p_typical: float
    p_best: float
    curve: tuple[tuple[int, float, float], ...]


def against_control(search: Sequence[float], control: Sequence[float]) -> Chance | None:
    """None where an arm has no score at all. NaN stands for a candidate without a score."""
    a, b = np.asarray(search, float), np.asarray(control, float)
    if not (np.isfinite(a).any() and np.isfinite(b).any()):
        return None
    worst = float(np.nanmin(np.concatenate([a, b])))
    filled_a, filled_b = np.where(np.isnan(a), worst, a), np.where(np.isnan(b), worst, b)
    below = worst - 1.0  # without a score: below every score, for the ranks
    ranked_a, ranked_b = np.where(np.isnan(a), below, a), np.where(np.isnan(b), below, b)
    return Chance(
        n=len(a),
        n_control=len(b),
        scored=int(np.isfinite(a).sum()),
        scored_control=int(np.isfinite(b).sum()),
        best=float(np.nanmax(a)),
        best_control=float(np.nanmax(b)),
        p_typical=float(
            stats.mannwhitneyu(list(ranked_a), list(ranked_b), alternative="greater").pvalue
        ),
        p_best=_p_best(filled_a, filled_b),
        curve=tuple(
            (k, best_of(filled_a, k), best_of(filled_b, k))
            for k in range(1, min(len(a), len(b)) + 1)
        ),
    )


def best_of(values: NDArray[np.float64], k: int) -> float:
    """Expected highest of k values drawn without replacement."""
    x, n = np.sort(values), len(values)
    weights = [math.comb(i, k - 1) / math.comb(n, k) for i in range(n)]
    return float(np.dot(weights, x))


def _p_best(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """Share of random divisions of all candidates whose best differ by as much or more."""
    rng = np.random.default_rng(0)
    both, found = np.concatenate([a, b]), float(a.max() - b.max())
    as_large = 0
    for _ in range(PERMUTATIONS):
        drawn = rng.permutation(both)
        as_large += float(drawn[: len(a)].max() - drawn[len(a) :].max()) >= found - 1e-12
    return (1 + as_large) / (1 + PERMUTATIONS)
