"""The tidy frame every function here reads: one row per rule, setting and seed."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from archer.errors import ArcherError

COLUMNS = ("rule", "row", "task", "column", "setting", "seed", "accuracy")
CELL = ["rule", "row", "task", "column"]
ROUNDING = 1e-12  # of accuracies: what sums and differences of them lose


def constant(x: NDArray[np.float64]) -> bool:
    """Whether all numbers are one, but for rounding: then there is no spread to test with."""
    return bool(np.ptp(x) <= ROUNDING)


def check_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """The scores, without rows that have no accuracy.

    Raises ArcherError when a column is missing or a rule has two accuracies for one setting and
    seed (the choice of lr and weight decay has then not been made yet).
    """
    missing = [name for name in COLUMNS if name not in scores.columns]
    if missing:
        raise ArcherError(f"scores lack the column {missing[0]!r}; needed are {', '.join(COLUMNS)}")
    twice = scores.duplicated(["rule", "task", "setting", "seed"])
    if twice.any():
        rule, setting = scores.loc[twice, ["rule", "setting"]].iloc[0]
        raise ArcherError(
            f"{rule} has two accuracies for {setting} at one seed; select one per setting and seed"
        )
    kept: pd.DataFrame = scores[np.isfinite(scores["accuracy"].to_numpy(float))]
    return kept
