"""Trials of one protocol as scores: what benchmarks give back and what reports read."""

from functools import cached_property

import pandas as pd

from archer.mad.scoring import select, table, task_scores
from archer.mad.trial import Protocol


class Scored:
    """Scores of `trials` under `protocol`; a subclass has both."""

    trials: pd.DataFrame

    @property
    def protocol(self) -> Protocol:
        raise NotImplementedError

    @cached_property
    def selected(self) -> pd.DataFrame:
        """The trial the protocol selects for every rule, setting and seed; score: `accuracy`."""
        return select(self.trials, self.protocol)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """One row per rule, task and seed."""
        return task_scores(self.selected)

    @cached_property
    def table(self) -> pd.DataFrame:
        """What results.csv holds: a row per rule, a column per task, means over seeds."""
        return table(self.scores)

    @cached_property
    def identical(self) -> pd.DataFrame:
        """Rule, task, and the rule it is identical to there on every setting, by construction."""
        found = []
        for key, rows in self.trials.groupby(["rule", "task"], sort=False):
            same = rows["identical_to"].unique()
            if len(same) == 1 and isinstance(same[0], str):
                found.append((*map(str, key), same[0]))
        return pd.DataFrame(found, columns=["rule", "task", "identical_to"])
