"""What stays the same at every point of a sweep, and the plan of some points."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from archer.mad.plan import Plan, grouped, make_plan
from archer.mad.presets import SWEPT, Preset
from archer.mad.rates import Rate
from archer.rules.peer import Contender
from archer.sweeps.points import Point

LARGEST = 96  # members of one population on a processor


@dataclass(frozen=True)
class Design:
    """A rule, the settings and the lr x weight-decay grid of a preset, and seeds.

    rates: one lr and weight decay per setting, instead of the grid: those that were best for the
    rule `rates_of`. together: as few populations as possible, for a GPU; see `make_plan`.
    """

    rule: Contender
    preset: Preset
    seeds: int
    precision: str
    together: bool
    rates: tuple[Rate, ...] = ()
    rates_of: str = ""

    @property
    def trials_per_point(self) -> int:
        """Rows of a plan that belong to one point."""
        grid = 1 if self.rates else len(self.preset.lrs) * len(self.preset.weight_decays)
        return len(self.preset.settings) * grid * self.seeds

    def plan(self, points: Sequence[Point]) -> Plan:
        """Rows of the first point, then of the second, and so on; always protocol `strict`.

        Points of one chunk size and the same learned knobs share populations. The plan is named
        apart from benchmarks, so that `archer status` shows it so and no record takes it for one.
        """
        plans = [self._plan(point, preset) for point in points for preset in self.presets()]
        rows = tuple(row for plan in plans for row in plan.rows)
        trials = list({row.trial.id: row.trial for row in rows}.values())
        populations = grouped(trials, LARGEST, self.together)
        return replace(plans[0], preset=self._named(), rows=rows, populations=tuple(populations))

    def presets(self) -> list[Preset]:
        """The preset, or a part of it for every setting that has a rate of its own."""
        return self.preset.at(self.rates) or [self.preset]

    def _plan(self, point: Point, preset: Preset) -> Plan:
        return make_plan(
            [self.rule],
            replace(preset, chunk_size=point.chunk_size or preset.chunk_size),
            protocol="strict",
            seeds=self.seeds,
            knobs=point.knobs,
            precision=self.precision,
        )

    def _named(self) -> Preset:
        return replace(self.preset, name=self.preset.name + SWEPT)

    def trials(self, trials: pd.DataFrame, points: Sequence[Point]) -> pd.DataFrame:
        """The trials table of a plan with a column `point`: the label of each."""
        labels = [point.label for point in points for _ in range(self.trials_per_point)]
        return trials.assign(preset=self.preset.name, point=labels)
