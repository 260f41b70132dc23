"""From the trials of a sweep to curves on validation data, and one reading of the test set.

Within a point, lr x weight decay are chosen as everywhere (`archer.mad.scoring.select`, strict).
A point's value on a task is its validation accuracy: mean over settings, then over seeds. The
point with the highest is chosen for that task; ties go to the default, then to the earlier point.
"""

import math
from collections.abc import Collection, Hashable, Mapping
from typing import Any

import pandas as pd

from archer.mad.scoring import select
from archer.mad.settings import COLUMNS, TASKS
from archer.stats import Interval, compare, mean_interval

SPREAD = ("mean", "sd", "low", "high", "n")
NOT_TOLD = "one seed: nothing can be told"
DEFAULT_CHOSEN = "the default is chosen"
NO_EFFECT = "no effect"


def best_trials(trials: pd.DataFrame) -> pd.DataFrame:
    """The trial chosen on validation data for every point, setting and seed."""
    return select(trials.assign(rule=trials["point"]), "strict")


def seed_scores(trials: pd.DataFrame) -> pd.DataFrame:
    """Per point, task and seed: validation and test accuracy, mean over settings.

    NaN where a setting has no score. trials: a trials table with a column `point`.
    """
    chosen = best_trials(trials)
    measured = ["validation_accuracy", "test_accuracy"]
    groups = chosen.groupby(["point", "task", "seed"], sort=False)[measured]
    return groups.agg(_mean).reset_index()


def _mean(values: "pd.Series[float]") -> float:
    """NaN if one is."""
    return float(values.mean(skipna=False))


def _interval(values: "pd.Series[float]") -> Interval:
    """Over seeds; NaN if one of them has no score: a mean over the others would flatter."""
    if values.isna().any():
        return Interval(math.nan, math.nan, len(values), math.nan, math.nan, "none: no score")
    return mean_interval(values.to_numpy(float))


def point_curves(scores: pd.DataFrame) -> pd.DataFrame:
    """Per task and point: validation accuracy over seeds (mean, sd, low, high at 95 %, n)."""
    rows = []
    for (point, task), cell in scores.groupby(["point", "task"], sort=False):
        interval = _interval(cell["validation_accuracy"])
        spread = {name: getattr(interval, name) for name in SPREAD}
        rows.append({"point": point, "task": task, **spread})
    return pd.DataFrame(rows, columns=["point", "task", *SPREAD])


def chosen_points(curves: pd.DataFrame, asked: Collection[str], default: str) -> dict[str, str]:
    """The best of the points asked for, by task; a task where none has a score is left out."""
    found = {}
    for task, rows in curves[curves["point"].isin(asked)].groupby("task", sort=False):
        scored = rows[rows["mean"].notna()]
        best = scored[scored["mean"] == scored["mean"].max()]["point"].tolist()
        if best:
            found[str(task)] = default if default in best else str(best[0])
    return found


def without_effect(trials: pd.DataFrame) -> set[str]:
    """Tasks on which all points are the very same trials: what is swept does not act there."""
    if trials["point"].nunique() == 1:
        return set()
    of_point = trials.groupby(["task", "point"], sort=False)["trial"].agg(tuple)
    return {str(task) for task, same in of_point.groupby("task") if same.nunique() == 1}


def selected_frame(trials: pd.DataFrame, chosen: dict[str, str], default: str) -> pd.DataFrame:
    """A row per task: the chosen point's and the default's test accuracy, and their difference.

    Of all points, only these two have their test accuracies read: the one is chosen without them,
    the other before anything is trained. verdict: DEFAULT_CHOSEN, "different", "equivalent",
    "cannot tell" (as in `archer.stats.compare`, paired over seeds), NO_EFFECT or NOT_TOLD.
    """
    scores = seed_scores(trials)
    idle, tests = without_effect(trials), _tests(trials, chosen, default)
    rows = []
    for task in sorted(chosen, key=TASKS.index):
        point = chosen[task]
        own, base = (_of(scores, name, task) for name in (point, default))
        test = _interval(own["test_accuracy"])
        rows.append(
            {
                "task": task,
                "column": COLUMNS[task],
                "point": point,
                "validation_accuracy": _mean(own["validation_accuracy"]),
                "test_accuracy": test.mean,
                "test_sd": test.sd,
                "seeds": len(own),
                "default": default,
                "default_test_accuracy": _mean(base["test_accuracy"]),
                **_difference(tests.get(task), point == default, task in idle),
            }
        )
    return pd.DataFrame(rows)


def _of(scores: pd.DataFrame, point: str, task: str) -> pd.DataFrame:
    return scores[(scores["point"] == point) & (scores["task"] == task)]


def _difference(
    found: Mapping[Hashable, Any] | None, is_default: bool, idle: bool
) -> dict[str, Any]:
    nothing = dict.fromkeys(("difference", "low", "high", "p"), math.nan) | {"statement": ""}
    if idle or is_default:
        return nothing | {"difference": 0.0, "verdict": NO_EFFECT if idle else DEFAULT_CHOSEN}
    if found is None:
        return nothing | {"verdict": "no score"}
    verdict = NOT_TOLD if found["verdict"] == "one seed" else found["verdict"]
    return {name: found[name] for name in nothing} | {
        "statement": found["statement"] or "",
        "verdict": verdict,
    }


def _tests(
    trials: pd.DataFrame, chosen: dict[str, str], default: str
) -> dict[str, Mapping[Hashable, Any]]:
    """What `archer.stats.compare` says of chosen against default, where both have scores."""
    best = best_trials(trials)
    parts = []
    for task, point in chosen.items():
        here = best[best["task"] == task]
        pair = {"default": here[here["point"] == default], "chosen": here[here["point"] == point]}
        if point == default or any(part["accuracy"].isna().any() for part in pair.values()):
            continue
        parts += [part.assign(rule=name, row=name) for name, part in pair.items()]
    if not parts:
        return {}
    both = pd.concat(parts)
    both["column"] = both["task"].map(COLUMNS)
    records = compare(both, baseline="default").to_dict("records")
    return {str(record["task"]): record for record in records}
