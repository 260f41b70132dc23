"""Accuracy against what makes a task hard, and where a rule breaks."""

import pandas as pd

from archer.mad.settings import baseline
from archer.report.study import Study
from archer.stats import breakdown, breaking_points
from archer.stats.breakdown import EASIER_WITH_MORE

FIELDS = {
    "vocab_size": "vocabulary",
    "seq_len": "sequence length",
    "num_train_examples": "training instances",
    "frac_noise": "share of noise",
    "num_tokens_to_copy": "tokens to copy",
}


def difficulty(study: Study) -> pd.DataFrame:
    """`archer.stats.breakdown` with a task's baseline setting as a point of every field varied.

    Empty where no task was run at several settings that differ in one field.
    """
    settings = breakdown(_whole(study.tidy))
    varied = settings[settings["value"].notna()]
    starts = []
    for task, field in varied[["task", "field"]].drop_duplicates().itertuples(index=False):
        start = settings[(settings["task"] == task) & (settings["field"] == "baseline")]
        value = float(getattr(baseline(str(task)), str(field)))
        starts.append(start.assign(field=field, value=value))
    if not starts:
        return varied
    # Easiest first, as the protocol's baselines are the easiest setting of each field.
    whole: pd.DataFrame = pd.concat([*starts, varied], ignore_index=True)
    return whole


def _whole(tidy: pd.DataFrame) -> pd.DataFrame:
    """Without a rule's settings that lack a seed's score: what is left would flatter it."""
    lost = tidy["accuracy"].isna().groupby([tidy["rule"], tidy["setting"]]).transform("any")
    kept: pd.DataFrame = tidy[~lost]
    return kept


def values_of(part: pd.DataFrame) -> list[float]:
    """Of one task and field the values that any rule has a score at, the easiest first."""
    return sorted(part["value"].unique(), reverse=part["field"].iloc[0] in EASIER_WITH_MORE)


def curves_of(settings: pd.DataFrame, task: str) -> dict[str, pd.DataFrame]:
    """By field: rules down, values across (easiest first), mean accuracies."""
    here = settings[settings["task"] == task]
    found = {}
    for field, part in here.groupby("field", sort=False):
        wide = part.pivot(index="rule", columns="value", values="mean")
        found[str(field)] = wide.loc[part["rule"].unique(), values_of(part)]
    return found


def break_points(settings: pd.DataFrame, task: str) -> dict[tuple[str, str], str]:
    """By (rule, field), the value from which on a rule is broken, as text; none that never is."""
    found = breaks(settings)
    here = found[found["task"] == task].to_dict("records") if len(found) else []
    return {(row["rule"], row["field"]): f"{row['breaks_at']:g}" for row in here}


def breaks(settings: pd.DataFrame) -> pd.DataFrame:
    """The rows of `archer.stats.breaking_points` where a rule breaks.

    None of a rule that lacks the score of a setting: it may be the easiest, or one where it holds.
    """
    if settings.empty:
        return settings
    points = breaking_points(settings)
    place = ["task", "field"]
    wanted = settings.groupby(place)["value"].nunique().rename("wanted")
    there = settings.groupby(["rule", *place])["value"].nunique().rename("there")
    points = points.join(there, on=["rule", *place]).join(wanted, on=place)
    return points[points["breaks_at"].notna() & (points["there"] == points["wanted"])]
