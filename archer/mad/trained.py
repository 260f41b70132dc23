"""Which rows of a trials table stand for a training."""

import pandas as pd


def trained(trials: pd.DataFrame) -> pd.DataFrame:
    """Every training once, in the row of the rule that it was done for, in the table's order.

    Rules that are one function on a task share a training; it belongs to the rule the others are
    identical to, or where that one is not in the table, to the first that is. A table without the
    columns `trial` and `identical_to` is returned as it is.
    """
    if not {"trial", "identical_to"} <= set(trials):
        return trials
    ordered = trials.sort_values(
        "identical_to", key=lambda column: column.notna(), kind="stable", ignore_index=False
    )
    return ordered.drop_duplicates("trial").sort_index()
