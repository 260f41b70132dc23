"""Trains rules on a stage and reads their scores; what the store has is not trained again."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import pandas as pd

from archer.mad.plan import Knobs, Plan, make_plan
from archer.mad.presets import preset
from archer.mad.results import Results, curves_frame, trials_frame
from archer.mad.scoring import select, task_scores
from archer.report.progress import watch
from archer.research.entries import Entry
from archer.rules.graph import RuleGraph
from archer.rules.load import builtin_graph
from archer.store import Store
from archer.store.training import train_missing

Split = Literal["validation", "test"]


@dataclass(frozen=True)
class Subject:
    """A rule to be measured: a built-in one's name, or a candidate's id; its graph and knobs."""

    key: str
    graph: RuleGraph
    knobs: Mapping[str, float] = field(default_factory=dict)


def builtin(name: str) -> Subject:
    return Subject(name, builtin_graph(name))


def subject(entry: Entry) -> Subject:
    """A candidate that has passed the gates; its graph is trained, never its source."""
    assert entry.graph is not None
    return Subject(entry.id, entry.graph, entry.knobs)


@dataclass(frozen=True)
class Lab:
    """How rules are trained: in which store, on what, and whether progress is shown.

    show: bars on a terminal; the lines of a benchmark would name test scores.
    """

    store: Store
    device: str = "cpu"
    precision: str = "fp32"
    show: bool = False

    def measure(self, subjects: Sequence[Subject], stage: str, seeds: int) -> Results:
        """Train what the store lacks, and give all results; `rule` holds names.

        A trial that failed is in `trials` with its reason. Raises ArcherError for knobs out of
        bounds; KeyboardInterrupt leaves what has ended in the store.
        """
        plan = self._plan(subjects, stage, seeds)
        shown = self.show and sys.stderr.isatty()
        failures = train_missing(
            plan, self.store, self.device, None, lambda part: watch(part, shown), lambda text: None
        )
        return self._results(plan, failures)

    def found(self, subjects: Sequence[Subject], stage: str, seeds: int) -> Results:
        """What the store has of it; nothing is trained."""
        return self._results(self._plan(subjects, stage, seeds), {})

    def _plan(self, subjects: Sequence[Subject], stage: str, seeds: int) -> Plan:
        return make_plan(
            [each.graph for each in subjects],
            preset(stage),
            seeds=seeds,
            knobs=knobs_of(subjects),
            precision=self.precision,
            together=self.device != "cpu",
        )

    def _results(self, plan: Plan, failures: Mapping[str, str]) -> Results:
        outcomes = self.store.results(sorted({row.trial.id for row in plan.rows}))
        trials = trials_frame(plan, outcomes, failures, self.device)
        return Results(plan, trials, 0.0, self.device, curves=curves_frame(outcomes))


def knobs_of(subjects: Sequence[Subject]) -> Knobs:
    """The knobs that candidates set, by "rule.knob"."""
    return Knobs(
        {
            f"{each.graph.name}.{name}": value
            for each in subjects
            for name, value in each.knobs.items()
        }
    )


def split_scores(results: Results, subjects: Sequence[Subject], split: Split) -> pd.DataFrame:
    """Accuracy by rule (key), task and seed at the trial and checkpoint validation data selects."""
    chosen = select(results.trials, "strict")
    chosen = chosen.assign(accuracy=chosen[f"{split}_accuracy"])
    keys = {each.graph.name: each.key for each in subjects}
    scores = task_scores(chosen)
    return scores.assign(rule=scores["rule"].map(keys))


def only_validation(results: Results) -> Results:
    """The same as if validation data were the test data: for what is shown while searching."""
    trials, curves = results.trials.copy(), results.curves.copy()
    for frame in (trials, curves):
        for name in [c for c in frame.columns if c.startswith("test_")]:
            frame[name] = frame["validation_" + name.removeprefix("test_")]
    return replace(results, trials=trials, curves=curves)
