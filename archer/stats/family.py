"""One family of paired comparisons: each tested alone, all corrected together, then judged."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from archer.stats.equivalence import MARGIN, equivalence_p
from archer.stats.frame import ROUNDING, constant
from archer.stats.holm import holm
from archer.stats.intervals import mean_interval
from archer.stats.power import ALPHA, seeds_needed, seeds_without_spread, smallest_p, too_few

SHOWN = ("n", "settings", "difference", "low", "high", "effect", "p")


@dataclass(frozen=True)
class Pairs:
    """One difference per common seed, and what it was taken over.

    same: the two sides are one by construction, so that there is nothing to test.
    """

    differences: NDArray[np.float64]
    settings: int
    same: bool = False


@dataclass(frozen=True)
class _Cell:
    """One comparison before any correction; p and p_equivalent are nan where nothing is tested."""

    n: int
    settings: int
    difference: float
    sd: float
    low: float
    high: float
    effect: float
    p: float
    p_equivalent: float
    same: bool


def judged(family: Sequence[Pairs], margin: float = MARGIN) -> pd.DataFrame:
    """What may be said of each comparison, one row each; both p-values by Holm over the family.

    Columns: n, settings, difference, low, high, effect, p, p_holm, p_equivalent (corrected),
    verdict, seeds_needed, statement; see `archer.stats.compare`.
    """
    cells = [_cell(pairs, margin) for pairs in family]
    size = max(1, sum(cell.p == cell.p for cell in cells))
    table = pd.DataFrame({name: [getattr(cell, name) for cell in cells] for name in SHOWN})
    table["p_holm"] = holm([cell.p for cell in cells])
    table["p_equivalent"] = holm([cell.p_equivalent for cell in cells])
    both = zip(cells, table["p_holm"], table["p_equivalent"], strict=True)
    table["verdict"] = [_verdict(cell, p, p_same) for cell, p, p_same in both]
    needed = [
        _needed(cell, margin, size) if verdict == "cannot tell" else None
        for cell, verdict in zip(cells, table["verdict"], strict=True)
    ]
    table["seeds_needed"] = pd.Series(needed, dtype="Int64")
    table["statement"] = [_statement(cell, margin, size) for cell in cells]
    return table


def _cell(pairs: Pairs, margin: float) -> _Cell:
    d = pairs.differences
    interval = mean_interval(d, bounds=None)
    tested = len(d) >= 3 and not pairs.same
    return _Cell(
        n=len(d),
        settings=pairs.settings,
        difference=interval.mean,
        sd=interval.sd,
        low=interval.low,
        high=interval.high,
        effect=interval.mean / interval.sd if interval.sd > 0 else float("nan"),
        p=_paired_p(d) if tested else float("nan"),
        p_equivalent=equivalence_p(d, margin) if tested else float("nan"),
        same=pairs.same,
    )


def _paired_p(d: NDArray[np.float64]) -> float:
    if constant(d):  # no spread for a t test: the sign-flip test still counts seeds
        return 1.0 if abs(d[0]) <= ROUNDING else smallest_p(len(d))
    return float(stats.ttest_1samp(d, 0.0).pvalue)


def _verdict(cell: _Cell, p_holm: float, p_equivalent: float) -> str:
    if cell.same:
        return "identical by construction"
    if cell.n == 1:
        return "one seed"
    if p_equivalent < ALPHA:
        return "equivalent"
    return "different" if p_holm < ALPHA else "cannot tell"


def _needed(cell: _Cell, margin: float, family: int) -> int | None:
    """Seeds to see the difference found, or one as large as the margin if that is larger."""
    if cell.sd == 0:
        return seeds_without_spread(_sides(cell, margin), family)
    return seeds_needed(max(abs(cell.difference), margin), cell.sd, family)


def _statement(cell: _Cell, margin: float, family: int) -> str | None:
    """Why the seeds are too few, or None when they are not."""
    if cell.n < 3 or cell.sd > 0:
        return too_few(cell.n, family)
    least = smallest_p(cell.n, _sides(cell, margin))
    if least < ALPHA / family:
        return None
    same = "equal" if abs(cell.difference) <= ROUNDING else "the same difference"
    return (
        f"{cell.n} seeds, {same} on each: without spread only the sign-flip test is left, which "
        f"cannot fall below p = {least:.3g}"
    )


def _sides(cell: _Cell, margin: float) -> int:
    """One for what can only turn out equivalent, two for what can turn out different."""
    return 1 if abs(cell.difference) < margin else 2
