"""Trains rules on a stage and reads their scores; what the store has is not trained again."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import pandas as pd

from archer.mad.knobs import Knobs
from archer.mad.plan import Plan, Population, make_plan
from archer.mad.presets import preset
from archer.mad.results import Results, curves_frame, trials_frame
from archer.mad.scoring import select, task_scores
from archer.mad.work import Keep
from archer.report.progress import watch
from archer.research.entries import Entry
from archer.research.stages import only_weeds
from archer.rules.graph import RuleGraph
from archer.rules.load import builtin_graph
from archer.store import Store
from archer.store.searched import for_search
from archer.store.training import checkpoint_seconds, train_missing

Split = Literal["validation", "test"]
WEEDING_PRECISION = "fp32"


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

    show: bars on a terminal; the lines of a benchmark would name test scores. preset: the last
    stage; one before it that only weeds is trained on the processor whatever the device, since a
    GPU's kernels take many times as long to compile.
    """

    store: Store
    device: str = "cpu"
    precision: str = "fp32"
    show: bool = False
    preset: str = "smoke"

    def measure(
        self, subjects: Sequence[Subject], stage: str, seeds: int, first: int = 0
    ) -> Results:
        """Train what the store lacks, and give all results; `rule` holds names.

        seeds: how many, the lowest of them `first`.

        A trial that failed is in `trials` with its reason. Raises ArcherError for knobs out of
        bounds; KeyboardInterrupt leaves what has ended in the store.
        """
        plan = self.plan(subjects, stage, seeds, first)
        shown = self.show and sys.stderr.isatty()
        failures = train_missing(
            for_search(plan),
            self.store,
            self._place(stage)[0],
            None,
            lambda part: watch(part, shown),
            lambda text: None,
            self._keep,
        )
        return self._results(plan, failures)

    def found(self, subjects: Sequence[Subject], stage: str, seeds: int) -> Results:
        """What the store has of it; nothing is trained."""
        return self._results(self.plan(subjects, stage, seeds), {})

    def plan(self, subjects: Sequence[Subject], stage: str, seeds: int, first: int = 0) -> Plan:
        """The trials of these rules on a stage."""
        device, precision = self._place(stage)
        plan = make_plan(
            [each.graph for each in subjects],
            preset(stage),
            seeds=first + seeds,
            knobs=knobs_of(subjects),
            precision=precision,
            together=device != "cpu",
        )
        return _from_seed(plan, first)

    def _place(self, stage: str) -> tuple[str, str]:
        """Device and precision of a stage."""
        if only_weeds(stage, self.preset):
            return "cpu", WEEDING_PRECISION
        return self.device, self.precision

    @property
    def _keep(self) -> Keep:
        """Checkpoints, so that a long training goes on where it was stopped."""
        folder = self.store.folder
        where = None if folder is None else str(folder / "checkpoints")
        return Keep(checkpoints=where, seconds=checkpoint_seconds())

    def _results(self, plan: Plan, failures: Mapping[str, str]) -> Results:
        outcomes = self.store.results(sorted({row.trial.id for row in plan.rows}))
        trials = trials_frame(plan, outcomes, failures, self.device)
        return Results(plan, trials, 0.0, self.device, curves=curves_frame(outcomes))


def _from_seed(plan: Plan, first: int) -> Plan:
    """The plan without the seeds below."""
    rows = tuple(row for row in plan.rows if row.trial.seed >= first)
    kept = (tuple(t for t in p.trials if t.seed >= first) for p in plan.populations)
    return replace(plan, rows=rows, populations=tuple(Population(t) for t in kept if t))


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
    keys = {each.graph.name: each.key for each in subjects}
    return scores_of(results.trials, keys, split)


def scores_of(trials: pd.DataFrame, keys: Mapping[str, str], split: Split) -> pd.DataFrame:
    """The same from rows of trials.csv; keys: of rules by the names they have there."""
    chosen = select(trials, "strict")
    chosen = chosen.assign(accuracy=chosen[f"{split}_accuracy"])
    scores = task_scores(chosen)
    return scores.assign(rule=scores["rule"].map(keys))


def only_validation(results: Results) -> Results:
    """The same as if validation data were the test data: for what is shown while searching."""
    trials, curves = results.trials.copy(), results.curves.copy()
    for frame in (trials, curves):
        for name in [c for c in frame.columns if c.startswith("test_")]:
            frame[name] = frame["validation_" + name.removeprefix("test_")]
    return replace(results, trials=trials, curves=curves)
