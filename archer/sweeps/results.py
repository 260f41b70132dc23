"""What a sweep gives back: curves on validation data, and the chosen points."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pandas as pd

from archer.mad.settings import COLUMNS, TASKS
from archer.sweeps.choose import (
    best_trials,
    chosen_points,
    point_curves,
    seed_scores,
    selected_frame,
    without_effect,
)
from archer.sweeps.design import Design
from archer.sweeps.points import Point
from archer.sweeps.values import Swept


@dataclass(frozen=True)
class SweepResults:
    """The outcome of a sweep.

    points: those asked for or suggested, in that order. reference: the defaults, trained beside
    them. trials: the trials table of all of them (docs/results.md), with a column `point`; it
    holds test accuracies of every trial, which nothing here reads but at the chosen points and the
    reference. search: "random", "tpe" or None. one_at_a_time: at every point at most one name has
    another value than its default. out: the folder it was written to, if any.
    """

    design: Design
    swept: tuple[Swept, ...]
    points: tuple[Point, ...]
    reference: Point
    trials: pd.DataFrame = field(repr=False)
    seconds: float
    device: str
    search: str | None = None
    one_at_a_time: bool = False
    out: Path | None = None

    @property
    def tasks(self) -> list[str]:
        """In the order of the table."""
        run = set(self.trials["task"])
        return [task for task in TASKS if task in run]

    @cached_property
    def curves(self) -> pd.DataFrame:
        """A row per point and task: validation accuracy over seeds.

        Columns: rule, one per swept name, point, task, column, mean, sd, low, high (95 %), n,
        default, selected.
        """
        found = point_curves(self._scores)
        found.insert(2, "column", found["task"].map(COLUMNS))
        found["default"] = found["point"] == self.reference.label
        chosen = found["task"].map(self.chosen)
        found["selected"] = found["point"] == chosen
        return self._with_values(found)

    @cached_property
    def selected(self) -> pd.DataFrame:
        """A row per task: the chosen point, its validation and test accuracy, and the default's.

        Columns as in `archer.sweeps.choose.selected_frame`, after the values of what is swept.
        """
        found = selected_frame(self.trials, self.chosen, self.reference.label)
        return self._with_values(found) if len(found) else found

    @cached_property
    def scores(self) -> pd.DataFrame:
        """A row per point, task and seed, as in sweep.csv: test accuracy only where selected."""
        found = self._scores.copy()
        found["default"] = found["point"] == self.reference.label
        found["selected"] = found["point"] == found["task"].map(self.chosen)
        found["test_accuracy"] = found["test_accuracy"].where(found["selected"])
        order = ["validation_accuracy", "default", "selected", "test_accuracy"]
        return self._with_values(found[["point", "task", "seed", *order]])

    @cached_property
    def learned(self) -> pd.DataFrame:
        """Where learned knobs ended, by point; see `archer.report.knob_curves.learned_values`."""
        from archer.report.knob_curves import learned_values

        chosen = best_trials(self.trials)
        by_point = learned_values(chosen).rename(columns={"rule": "point"})
        by_point.insert(0, "rule", self.design.rule.name)
        return by_point

    @property
    def without_effect(self) -> list[str]:
        """Tasks on which nothing that is swept acts."""
        idle = without_effect(self.trials)
        return [task for task in self.tasks if task in idle]

    def alone(self, varied: Swept) -> pd.DataFrame:
        """The curves of the points at which every other name is at its default."""
        found = self.curves
        for other in self.swept:
            if other != varied:
                found = found[found[other.name] == other.default]
        return found

    def acts(self, varied: Swept, task: str) -> bool:
        """Whether that name, or of a grid any name, changes anything on a task."""
        if not self.one_at_a_time:
            return task not in self.without_effect
        points = {*self.alone(varied)["point"]}
        here = self.trials[self.trials["point"].isin(points)]
        return task not in without_effect(here)

    @cached_property
    def _scores(self) -> pd.DataFrame:
        return seed_scores(self.trials)

    @cached_property
    def chosen(self) -> dict[str, str]:
        asked = {point.label for point in self.points}
        return chosen_points(point_curves(self._scores), asked, self.reference.label)

    def _with_values(self, frame: pd.DataFrame) -> pd.DataFrame:
        """With columns `rule` and one per swept name in front."""
        points = {point.label: point for point in (*self.points, self.reference)}
        frame = frame.copy()
        frame.insert(0, "rule", self.design.rule.name)
        for place, each in enumerate(self.swept, 1):
            shown = [points[label].shown(each.name) for label in frame["point"]]
            frame.insert(place, each.name, [_number(text) for text in shown])
        return frame


def _number(text: str) -> float | str:
    """A value as a number where it is one."""
    try:
        return float(text)
    except ValueError:
        return text
