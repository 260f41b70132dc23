"""Reads a result folder's tables, and says where they do not fit together."""

from pathlib import Path

import numpy as np
import pandas as pd

from archer.errors import ArcherError
from archer.report.csv_file import read_csv

NEEDED = (
    *("rule", "row", "task", "setting", "seed", "lr", "weight_decay", "status", "identical_to"),
    *("test_accuracy", "validation_accuracy", "validation_perplexity", "protocol", "preset"),
    *("chunk_size", "seconds", "trial", "reason"),
)


def chosen_baseline(trials: pd.DataFrame, against: str | None) -> str | None:
    """The rule that the others are held against: the one asked for, else delta if it was run.

    Raises ArcherError for trials that make no table, and for a rule that was not run.
    """
    missing = [name for name in NEEDED if name not in trials.columns]
    if missing:
        raise ArcherError(f"trials.csv lacks the column {missing[0]!r}; was it written by Archer?")
    if trials.empty:
        raise ArcherError("trials.csv has no rows: there is nothing to report")
    if trials["protocol"].nunique() != 1:
        raise ArcherError("trials.csv mixes two protocols; one table holds one protocol")
    rules = [str(rule) for rule in trials["rule"].unique()]
    if against is not None and against not in rules:
        raise ArcherError(f"--against {against}: not among the rules run ({', '.join(rules)})")
    return against or ("delta" if "delta" in rules else None)


def read_table(folder: Path, name: str) -> pd.DataFrame | None:
    """A table of a folder, gzipped or not; None where it has none."""
    path = next((p for end in ("", ".gz") if (p := folder / f"{name}.csv{end}").is_file()), None)
    if path is None:
        return None
    return read_csv(path)


def disagreement(table: pd.DataFrame, path: Path) -> str | None:
    """The first cell of results.csv that is not what the trials give, as a sentence."""
    if not path.is_file():
        return None
    try:
        written = read_csv(path, index=True)
    except ArcherError:
        return "results.csv cannot be read; this report is computed from trials.csv."
    if list(written.index) != list(table.index) or list(written) != list(table):
        return "results.csv has other rows or columns than trials.csv, which this report is from."
    ours, theirs = table.to_numpy(float), written.to_numpy(float)
    same = np.isclose(ours, theirs, rtol=0.0, atol=1e-9, equal_nan=True)
    if same.all():
        return None
    row, column = (int(i) for i in np.argwhere(~same)[0])
    return (
        f"results.csv differs from trials.csv in the cell of {written.index[row]} and "
        f"{table.columns[column]}; this report is computed from trials.csv."
    )
