"""From trials to scores: the lr x weight-decay grid, then settings, then tasks, then seeds.

strict: the grid point with the highest validation accuracy gives its test accuracy.
mad-lab: the highest test accuracy of the grid (the published definition).
A task's score is the mean over its settings; the average is the plain mean of the six tasks.
A setting whose whole grid is NaN has no score, and then neither has its task.
"""

import pandas as pd

from archer.mad.settings import COLUMNS, TASKS
from archer.mad.trial import Protocol
from archer.rules.load import row_name

KEYS = ["rule", "task", "setting", "seed"]


def select(trials: pd.DataFrame, protocol: Protocol) -> pd.DataFrame:
    """The selected trial of every rule, setting and seed, with its score as `accuracy`.

    trials: columns rule, task, setting, seed, lr, weight_decay, test_accuracy,
    validation_accuracy, validation_perplexity. Ties go to the lower validation perplexity
    (strict), then to the earlier grid point.
    """
    if protocol == "strict":
        ordered = trials.sort_values(
            ["validation_accuracy", "validation_perplexity"],
            ascending=[False, True],
            kind="stable",
            na_position="last",
        )
    else:
        ordered = trials.sort_values(
            "test_accuracy", ascending=False, kind="stable", na_position="last"
        )
    chosen = ordered.drop_duplicates(KEYS).sort_index()
    return chosen.assign(accuracy=chosen["test_accuracy"])


def task_scores(selected: pd.DataFrame) -> pd.DataFrame:
    """One row per rule, task and seed: mean `accuracy` over settings, NaN if one has no score."""
    groups = selected.groupby(["rule", "task", "seed"], sort=False)["accuracy"]
    scores = groups.apply(lambda accuracy: accuracy.mean(skipna=False))
    return scores.reset_index(name="accuracy")


def table(scores: pd.DataFrame) -> pd.DataFrame:
    """The table of results: a row per rule, a column per task, means over seeds, `Average` last.

    The average is given where all six tasks are there. A seed without a score leaves its cell
    without one: a mean over the seeds that went well would flatter the rule.
    """
    groups = scores.groupby(["rule", "task"], sort=False)["accuracy"]
    means = groups.apply(lambda accuracy: accuracy.mean(skipna=False)).unstack("task")
    rules = scores["rule"].drop_duplicates()
    tasks = [task for task in TASKS if task in means.columns]
    result = means.loc[rules, tasks].rename(columns=COLUMNS)
    if len(tasks) == len(TASKS):
        result["Average"] = result.mean(axis=1, skipna=False)
    result.index = pd.Index([row_name(rule) for rule in rules], name=None)
    result.columns.name = None
    return result
