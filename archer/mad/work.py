"""Trains one population: what a worker does, wherever it runs."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from archer.errors import ArcherError
from archer.mad import weights
from archer.mad.data import dataset
from archer.mad.plan import Population
from archer.mad.trial import Trial
from archer.model.backbone import Backbone
from archer.train.checkpoint import SECONDS, Checkpoints, warn
from archer.train.data import MemberData
from archer.train.population import Ended, train_population
from archer.train.results import EpochMetrics, MemberResult, Progress
from archer.train.width import fitting

# Share of places taken at which a GPU's members close ranks. Recording the step anew costs about
# as much as a hundred steps; from 96 members down to one it happens at most 15 times.
THINNED = 0.75


@dataclass(frozen=True)
class Keep:
    """What a training leaves in files; plain data.

    checkpoints: folder for those of members that train, each written again after so many `seconds`
    of training. weights: folder for the best parameters of every member that has ended.
    """

    checkpoints: str | None = None
    seconds: float = SECONDS
    weights: str | None = None


NOTHING = Keep()


def train(
    population: Population,
    device: str,
    on_progress: Callable[[Progress], None] | None = None,
    *,
    on_end: Callable[[Ended], None] | None = None,
    stop: Callable[[], bool] | None = None,
    keep: Keep = NOTHING,
    at_a_time: int | None = None,
) -> list[MemberResult]:
    """The results of those of a population's members that had not ended, in their order.

    at_a_time: members that train side by side; by default all, or on a GPU as many as fit.
    on_end, stop: see `train_population`. Weights are written before `on_end` tells of their member.
    """
    first = population.trials[0]
    words = [trial.model.vocab_size for trial in population.trials]
    model = replace(first.model, vocab_size=max(words))
    members = [
        replace(trial.member, words=n) for trial, n in zip(population.trials, words, strict=True)
    ]
    place = torch.device(device)
    checkpoints = None
    if keep.checkpoints is not None:
        names = [trial.id for trial in population.trials]
        checkpoints = Checkpoints(Path(keep.checkpoints), names, keep.seconds)
    results: dict[int, MemberResult] = {}

    def ended(members: Ended) -> None:
        results.update(members)
        if on_end:
            on_end(members)

    def best(member: int, metrics: EpochMetrics, module: Backbone) -> None:
        try:
            weights.write(Path(str(keep.weights)), population.trials[member], metrics, module)
        except ArcherError as error:  # they can be missed, its result cannot
            warn(f"no weights of trial {population.trials[member].id}: {error}")

    def train_side_by_side(width: int | None) -> None:
        train_population(
            first.rule,
            model,
            members,
            _data(population.trials),
            first.regime,
            learn=first.learn,
            device=place,
            width=width,
            compact=0.0 if place.type == "cpu" else THINNED,
            ended={*population.ended, *results},
            checkpoints=checkpoints,
            stop=stop,
            on_progress=on_progress,
            on_end=ended,
            on_best=None if keep.weights is None else best,
        )

    def widest() -> int | None:
        width = at_a_time or fitting(first.rule, model, first.regime.batch_size, place)
        return width and min(width, len(population.left) - len(results))

    _narrowing(train_side_by_side, widest)
    return [results[place] for place in population.left]


def _narrowing(train: Callable[[int | None], None], widest: Callable[[], int | None]) -> None:
    """Trains with fewer members at a time when a GPU's memory runs out; with one, the error stands.

    Others on the same GPU, and a layer that wants more than expected, can take what was free. Who
    has ended stays so; who was training goes on from its checkpoint, or begins again.
    """
    width = widest()
    while not _fits(train, width):
        assert width
        width = min(widest() or 1, width // 2)
        warn(f"out of memory: going on with {width} member{'s' * (width > 1)} at a time")


def _fits(train: Callable[[int | None], None], width: int | None) -> bool:
    try:
        train(width)
    except torch.OutOfMemoryError:
        if width in (None, 1):
            raise
        return False  # the error, which holds on to the training's tensors, ends here
    return True


def _data(trials: tuple[Trial, ...]) -> list[MemberData]:
    made: dict[tuple[str, int], MemberData] = {}
    for trial in trials:
        key = trial.setting.name, trial.seed
        if key not in made:
            splits = dataset(trial.setting, trial.seed)
            made[key] = MemberData(*((s.inputs, s.targets) for s in splits))
    return [made[trial.setting.name, trial.seed] for trial in trials]
