"""Whether the columns of a trials table hold what they are said to, in docs/results.md."""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from archer.errors import ArcherError
from archer.mad.settings import TASKS

NUMBERS = re.compile(
    r"seed|lr|weight_decay|best_epoch|epochs|steps|seconds|chunk_size|dim|heads|train_loss"
    r"|(?:validation|test|knob|learned)[_.].+"
)
NO_END = ("seed", "lr", "weight_decay", "steps", "seconds")  # what is infinite there is no number
LEARNED = re.compile(r"learned\.([^.]+)(?:\..*)?")


def check_columns(folder: Path, trials: pd.DataFrame) -> None:
    """Raises ArcherError for a column with something else in it; columns may be missing.

    folder: that of the table.
    """
    for name in filter(NUMBERS.fullmatch, map(str, trials)):
        values = trials[name]
        numbers = pd.api.types.is_numeric_dtype(values)
        if not numbers or (name in NO_END and np.isinf(values).any()):
            raise ArcherError(
                f"{folder}: trials.csv has something else than numbers in the column {name!r}: it "
                "is damaged"
            )
    if "seed" in trials and not (trials["seed"] % 1 == 0).all():
        raise ArcherError(f"{folder}: trials.csv has a row without a seed: it is damaged")
    if "task" in trials and not trials["task"].isin(TASKS).all():
        unknown = trials.loc[~trials["task"].isin(TASKS), "task"].iloc[0]
        raise ArcherError(f"{folder}: trials.csv has a row of an unknown task, {unknown!r}")
    learned = filter(None, map(LEARNED.fullmatch, map(str, trials)))
    for knob in sorted({found[1] for found in learned}):
        if f"knob.{knob}" not in trials:
            raise ArcherError(f"{folder}: trials.csv lacks the column 'knob.{knob}': it is damaged")
