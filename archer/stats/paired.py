"""Every rule against the baseline, paired over common seeds and settings."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from archer.errors import ArcherError
from archer.stats.equivalence import MARGIN, equivalence_p
from archer.stats.frame import CELL, ROUNDING, check_scores, constant
from archer.stats.holm import holm
from archer.stats.intervals import mean_interval
from archer.stats.power import ALPHA, seeds_needed, seeds_without_spread, smallest_p, too_few


@dataclass(frozen=True)
class Pairs:
    """One difference per common seed (rule minus baseline), and what it was taken over."""

    differences: NDArray[np.float64]
    settings: int


def paired_differences(rule: pd.DataFrame, baseline: pd.DataFrame) -> Pairs:
    """Differences per seed over the settings both have at every common seed.

    Both frames hold one task of one rule. Settings are averaged within a seed first.
    """
    both = rule.merge(baseline, on=["setting", "seed"], suffixes=("", "_base"))
    seeds = both["seed"].nunique()
    everywhere = both.groupby("setting")["seed"].transform("nunique") == seeds
    both = both[everywhere]
    gap = (both["accuracy"] - both["accuracy_base"]).groupby(both["seed"]).mean()
    return Pairs(gap.to_numpy(float), int(both["setting"].nunique()))


def compare(scores: pd.DataFrame, baseline: str = "delta", margin: float = MARGIN) -> pd.DataFrame:
    """Per rule and task: the difference to the baseline and what may be said about it.

    scores: see `archer.stats.frame`; an optional boolean column `identical` marks rows whose
    setting gives the rule the baseline's very graph ("identical by construction" when all do).
    Columns: rule, row, task, column, n, settings, difference, low, high (95 %, t), effect
    (Cohen's d_z), p (paired t), p_holm and p_equivalent (two one-sided t tests at `margin`, Holm
    too), both corrected over the rules of one task, verdict, seeds_needed, statement.

    verdict: "identical by construction", "one seed", "equivalent" (no difference larger than the
    margin, even if a smaller one is certain), "different", or "cannot tell".
    Raises ArcherError when the baseline has no scores.
    """
    scores = check_scores(scores)
    if not (scores["rule"] == baseline).any():
        raise ArcherError(f"the baseline {baseline!r} has no scores; choose one of the rules run")
    parts = [_task(part, baseline, margin) for _, part in scores.groupby("task", sort=False)]
    return pd.concat(parts, ignore_index=True)


@dataclass(frozen=True)
class _Cell:
    n: int
    settings: int
    difference: float
    sd: float
    low: float
    high: float
    effect: float
    p: float
    p_equivalent: float
    same_graph: bool


_SHOWN = ("n", "settings", "difference", "low", "high", "effect", "p")


def _task(part: pd.DataFrame, baseline: str, margin: float) -> pd.DataFrame:
    base = part[part["rule"] == baseline]
    groups = list(part[part["rule"] != baseline].groupby(CELL, sort=False))
    cells = [_cell(cell, base, margin) for _, cell in groups]
    family = max(1, sum(cell.p == cell.p for cell in cells))
    table = pd.DataFrame([key for key, _ in groups], columns=CELL)
    for name in _SHOWN:
        table[name] = [getattr(cell, name) for cell in cells]
    table["p_holm"] = holm([cell.p for cell in cells])
    table["p_equivalent"] = holm([cell.p_equivalent for cell in cells])
    both = zip(cells, table["p_holm"], table["p_equivalent"], strict=True)
    table["verdict"] = [_verdict(cell, p, p_same) for cell, p, p_same in both]
    needed = [
        _needed(cell, margin, family) if verdict == "cannot tell" else None
        for cell, verdict in zip(cells, table["verdict"], strict=True)
    ]
    table["seeds_needed"] = pd.Series(needed, dtype="Int64")
    table["statement"] = [_statement(cell, margin, family) for cell in cells]
    return table


def _cell(cell: pd.DataFrame, base: pd.DataFrame, margin: float) -> _Cell:
    pairs = paired_differences(cell, base)
    d = pairs.differences
    same_graph = "identical" in cell and bool(cell["identical"].all())
    interval = mean_interval(d, bounds=None)
    tested = len(d) >= 3 and not same_graph
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
        same_graph=same_graph,
    )


def _paired_p(d: NDArray[np.float64]) -> float:
    if constant(d):  # no spread for a t test: the sign-flip test still counts seeds
        return 1.0 if abs(d[0]) <= ROUNDING else smallest_p(len(d))
    return float(stats.ttest_1samp(d, 0.0).pvalue)


def _verdict(cell: _Cell, p_holm: float, p_equivalent: float) -> str:
    if cell.same_graph:
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
