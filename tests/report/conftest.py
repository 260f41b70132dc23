"""Results made by hand, to be reported."""

from collections.abc import Callable, Mapping, Sequence

import pytest

from archer.mad.plan import make_plan
from archer.mad.presets import core, smoke
from archer.mad.results import Results, curves_frame, trials_frame
from archer.rules.load import builtin_graph
from archer.train.results import EpochMetrics, MemberResult, SplitMetrics

Accuracies = Mapping[tuple[str, str], float | Sequence[float] | None]


def member(accuracy: float) -> MemberResult:
    history = []
    for epoch, reached in enumerate((accuracy / 4, accuracy), 1):
        split = SplitMetrics(reached, reached / 2, 1.0, 4.0 / epoch)
        history.append(EpochMetrics(epoch, 1.5, split, split))
    return MemberResult(steps=4, seconds=0.5, history=history, best_epoch=2)


@pytest.fixture(scope="session", name="member")
def member_of() -> Callable[[float], MemberResult]:
    """A training of two epochs by the accuracy it reaches."""
    return member


@pytest.fixture
def made() -> Callable[..., Results]:
    """Accuracy by (rule, task), or one per seed -> results; None is a population that failed."""

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
                one = isinstance(accuracy, float)
                outcomes[row.trial.id] = member(accuracy if one else accuracy[row.trial.seed])
        trials, curves = trials_frame(plan, outcomes, failures, "cpu"), curves_frame(outcomes)
        return Results(plan, trials, 12.3, "cpu", curves=curves)

    return build


TASKS_OF_FIVE = ("compression", "in-context-recall", "fuzzy-in-context-recall")
OTHERS = ("memorization", "noisy-in-context-recall", "selective-copying")


@pytest.fixture
def noisy(made: Callable[..., Results]) -> Callable[..., Results]:
    """Six tasks with seeds: `momentum` hurts, `softmax_attention` trades off and is unstable."""

    def build(seeds: int = 6, names: tuple[str, ...] = ()) -> Results:
        chosen = names or ("delta", "momentum", "softmax_attention", "gated_delta")
        means = {"delta": 0.5, "momentum": 0.42, "softmax_attention": 0.55, "gated_delta": 0.503}
        wobble = (0.0, 0.011, -0.007, 0.004, -0.013, 0.008, 0.002, -0.005)
        scores: dict[tuple[str, str], list[float]] = {}
        for i, rule in enumerate(chosen):
            for j, task in enumerate((*TASKS_OF_FIVE, *OTHERS)):
                level = means.get(rule, 0.5)
                if rule == "softmax_attention" and task == "fuzzy-in-context-recall":
                    level = 0.3
                if rule == "momentum" and task in ("compression", "memorization"):
                    level = means["delta"]  # one training, whatever is asked for
                width = 8.0 if (rule, task) == ("softmax_attention", "memorization") else 0.3
                shared = [wobble[(s + j) % 8] for s in range(seeds)]
                own = [width * wobble[(s + 3 * i + 1) % 8] for s in range(seeds)]
                same = rule == "momentum" and level == means["delta"]
                scores[rule, task] = [
                    level + a + (0.0 if same or rule == "delta" else b)
                    for a, b in zip(shared, own, strict=True)
                ]
        return made(scores, seeds=seeds)

    return build
