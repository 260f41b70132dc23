"""Every rule against the baseline, paired over common seeds and settings."""

from dataclasses import replace

import pandas as pd

from archer.errors import ArcherError
from archer.stats.equivalence import MARGIN
from archer.stats.family import Pairs, judged
from archer.stats.frame import CELL, check_scores


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


def _task(part: pd.DataFrame, baseline: str, margin: float) -> pd.DataFrame:
    base = part[part["rule"] == baseline]
    groups = list(part[part["rule"] != baseline].groupby(CELL, sort=False))
    names = pd.DataFrame([key for key, _ in groups], columns=CELL)
    return names.join(judged([_pairs(cell, base) for _, cell in groups], margin))


def _pairs(cell: pd.DataFrame, base: pd.DataFrame) -> Pairs:
    same = "identical" in cell and bool(cell["identical"].all())
    return replace(paired_differences(cell, base), same=same)
