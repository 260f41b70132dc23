"""Trains a population: P models side by side, each as if it were alone.

Legend: P members, M numbers per member, B batch, T length.
"""

from collections.abc import Callable, Collection, Sequence

import torch

from archer.errors import ArcherError
from archer.model.backbone import Backbone
from archer.model.config import ModelConfig
from archer.model.members import build
from archer.rules.peer import Contender
from archer.train.checkpoint import Checkpoints
from archer.train.data import MemberData
from archer.train.network import Network
from archer.train.regime import Member as Member
from archer.train.regime import Regime as Regime
from archer.train.results import EpochMetrics, MemberResult, PopulationResult, Progress
from archer.train.trainer import StoppedError as StoppedError
from archer.train.trainer import Trainer

Ended = list[tuple[int, MemberResult]]


def train_population(
    rule: Contender,
    config: ModelConfig,
    members: Sequence[Member],
    data: Sequence[MemberData],
    regime: Regime,
    *,
    learn: Sequence[str] = (),
    chunk_size: int | None = None,
    device: str | torch.device = "cpu",
    width: int | None = None,
    compact: float = 0.0,
    ended: Collection[int] = (),
    checkpoints: Checkpoints | None = None,
    stop: Callable[[], bool] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    on_end: Callable[[Ended], None] | None = None,
    on_best: Callable[[int, EpochMetrics, Backbone], None] | None = None,
) -> PopulationResult:
    """Trains every member on its own data, independently of the others.

    learn: knobs to train beside those the rule declares learned; chunk_size overrides the rule's.
    Every split is evaluated after every epoch of a member.
    width: how many train at the same time (None: all); the others wait for a place. compact: with
    nobody waiting, members close ranks once no more than this share of the places is taken.
    ended: members that have ended in an earlier run; they are not trained, but keep their places.
    checkpoints: where members that train leave what they need to go on, and take it up again. On a
    CPU a training so resumed gives the bits of an unbroken one (same members, width and threads).
    stop: asked between batches; on True the checkpoints are written and StoppedError is raised.
    Whenever members end an epoch: `on_best` is called with every one that has ended and whose best
    parameters are not lost (`PopulationResult`), its best epoch and its module then, `on_end` with
    all that have ended, `on_progress` last.
    Raises ArcherError if data and members do not match or a knob is unknown or out of bounds.
    """
    if not members or len(members) != len(data):
        raise ArcherError(f"{len(members)} members and {len(data)} data sets; give one each")
    words = [member.words or config.vocab_size for member in members]
    model = build(
        rule,
        config,
        [member.stream for member in members],
        knobs=[member.knobs for member in members],
        learn=learn,
        chunk_size=chunk_size,
        words=words,
    )
    network, place = Network(model, regime.precision), torch.device(device)
    trainer = Trainer(network, members, data, regime, place, checkpoints, stop)
    trainer.begin(width or len(members), ended)
    while trainer.running.occupied():
        over = trainer.round(compact)
        for member, result in over:
            if on_best and result.best and trainer.has_best(member):
                on_best(member, result.best, trainer.module(member))
        if on_end and over:
            on_end(over)
        if on_progress:
            on_progress(trainer.progress())
    return trainer.result()
