"""Trains one population: what a worker does, wherever it runs."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from archer.mad.data import dataset
from archer.mad.plan import Population
from archer.mad.trial import Trial
from archer.train.data import MemberData
from archer.train.population import train_population
from archer.train.results import EpochMetrics, MemberResult, Progress, SplitMetrics


def train(
    population: Population, device: str, on_progress: Callable[[Progress], None] | None = None
) -> list[MemberResult]:
    """The results of a population's members, in their order."""
    first = population.trials[0]
    result = train_population(
        first.rule,
        first.model,
        [trial.member for trial in population.trials],
        _data(population.trials),
        first.regime,
        learn=first.learn,
        device=device,
        on_progress=on_progress,
    )
    return result.members


def _data(trials: tuple[Trial, ...]) -> list[MemberData]:
    made: dict[tuple[str, int], MemberData] = {}
    for trial in trials:
        key = trial.setting.name, trial.seed
        if key not in made:
            splits = dataset(trial.setting, trial.seed)
            made[key] = MemberData(*((s.inputs, s.targets) for s in splits))
    return [made[trial.setting.name, trial.seed] for trial in trials]


def result_to_json(result: MemberResult) -> dict[str, Any]:
    """A member's result as plain data."""
    return asdict(result)


def result_from_json(data: dict[str, Any]) -> MemberResult:
    """The result `result_to_json` wrote."""
    history = [
        EpochMetrics(
            epoch["epoch"],
            epoch["train_loss"],
            SplitMetrics(**epoch["validation"]),
            SplitMetrics(**epoch["test"]),
        )
        for epoch in data["history"]
    ]
    return MemberResult(**{**data, "history": history})
