"""Trains one population: what a worker does, wherever it runs."""

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import torch

from archer.mad.data import dataset
from archer.mad.plan import Population
from archer.mad.trial import Trial
from archer.train.data import MemberData
from archer.train.population import train_population
from archer.train.results import EpochMetrics, MemberResult, Progress, SplitMetrics
from archer.train.width import fitting

HALF_EMPTY = 0.5  # recording a step anew costs about as much as a hundred steps


def train(
    population: Population, device: str, on_progress: Callable[[Progress], None] | None = None
) -> list[MemberResult]:
    """The results of a population's members, in their order."""
    first = population.trials[0]
    words = [trial.model.vocab_size for trial in population.trials]
    model = replace(first.model, vocab_size=max(words))
    members = [
        replace(trial.member, words=n) for trial, n in zip(population.trials, words, strict=True)
    ]
    place = torch.device(device)
    result = train_population(
        first.rule,
        model,
        members,
        _data(population.trials),
        first.regime,
        learn=first.learn,
        device=place,
        on_progress=on_progress,
        width=fitting(first.rule, model, first.regime.batch_size, place),
        compact=0.0 if place.type == "cpu" else HALF_EMPTY,
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
