"""Results made by hand, to be reported."""

from collections.abc import Callable, Mapping

import pytest

from archer.mad.plan import make_plan
from archer.mad.presets import core, smoke
from archer.mad.results import Results, trials_frame
from archer.rules.load import builtin_graph
from archer.train.results import EpochMetrics, MemberResult, SplitMetrics

Accuracies = Mapping[tuple[str, str], float | None]


def member(accuracy: float) -> MemberResult:
    split = SplitMetrics(accuracy, accuracy / 2, 1.0, 2.0)
    return MemberResult(
        steps=4, seconds=0.5, history=[EpochMetrics(1, 1.5, split, split)], best_epoch=1
    )


@pytest.fixture
def made() -> Callable[..., Results]:
    """Accuracy by (rule, task) -> results; None is a population that failed."""

    def build(accuracies: Accuracies, *, comparable: bool = False, seeds: int = 1) -> Results:
        names = list(dict.fromkeys(rule for rule, _ in accuracies))
        tasks = list(dict.fromkeys(task for _, task in accuracies))
        preset = (core() if comparable else smoke()).only(tasks)
        plan = make_plan([builtin_graph(name) for name in names], preset, seeds=seeds)
        outcomes, failures = {}, {}
        for row in plan.rows:
            accuracy = accuracies[row.rule, row.trial.setting.task]
            if accuracy is None:
                failures[row.trial.id] = "worker process was killed"
            else:
                outcomes[row.trial.id] = member(accuracy)
        return Results(plan, trials_frame(plan, outcomes, failures, "cpu"), 12.3, "cpu")

    return build
