"""Equivalence: can a difference larger than a margin be ruled out?"""

import numpy as np
from numpy.typing import ArrayLike
from statsmodels.stats.weightstats import DescrStatsW

from archer.stats.frame import constant
from archer.stats.power import smallest_p

MARGIN = 0.01


def equivalence_p(differences: ArrayLike, margin: float = MARGIN) -> float:
    """p-value of two one-sided t tests (Schuirmann 1987) that the mean lies within +-margin.

    differences: one number per seed. nan with fewer than two seeds. Differences that are all the
    same number show no spread: then the least p of a one-sided sign-flip test when it lies inside
    the margin, else 1.
    """
    d = np.asarray(differences, float)
    if len(d) < 2:
        return float("nan")
    if constant(d):
        return smallest_p(len(d), sides=1) if abs(d[0]) < margin else 1.0
    return float(DescrStatsW(d).ttost_mean(-margin, margin)[0])
