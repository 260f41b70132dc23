"""Every rule against the baseline, paired over common seeds and settings."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pandas as pd

from archer.errors import ArcherError
from archer.stats.equivalence import MARGIN
from archer.stats.family import Pairs, judged
from archer.stats.frame import CELL, check_scores


def paired_differences(rule: pd.DataFrame, baseline: pd.DataFrame) -> Pairs:
    """Differences per seed over the settings both have at every common seed.

    Both frames hold one task of one rule, with one accuracy per setting and seed. Settings are
    averaged within a seed first.
    """
    keys, scores = _keyed(rule)
    base = dict(zip(*_keyed(baseline), strict=True))
    gaps = [
        (key, score - base[key]) for key, score in zip(keys, scores, strict=True) if key in base
    ]
    seeds = {seed for (_, seed), _ in gaps}
    per_setting = Counter(setting for (setting, _), _ in gaps)
    everywhere = {setting for setting, n in per_setting.items() if n == len(seeds)}
    kept = [(seed, gap) for (setting, seed), gap in gaps if setting in everywhere]
    means = pd.DataFrame(kept, columns=["seed", "gap"]).groupby("seed")["gap"].mean()
    return Pairs(means.to_numpy(float), len(everywhere))


def _keyed(frame: pd.DataFrame) -> tuple[list[tuple[Any, Any]], list[float]]:
    """Setting and seed of every row, and its accuracy: what a merge of frames takes long for."""
    keys = list(zip(frame["setting"].tolist(), frame["seed"].tolist(), strict=True))
    return keys, frame["accuracy"].tolist()


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
