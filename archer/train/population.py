"""Trains a population: P models side by side, each as if it were alone.

Legend: P members, M numbers per member, B batch, T length.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch

from archer.errors import ArcherError
from archer.model.backbone import build
from archer.model.config import ModelConfig
from archer.rules.graph import RuleGraph
from archer.train.data import MemberData, Split, epoch_order
from archer.train.network import Network
from archer.train.results import (
    EpochMetrics,
    MemberResult,
    PopulationResult,
    Progress,
    SplitMetrics,
)
from archer.train.running import Running
from archer.train.scorer import Scorer


@dataclass(frozen=True)
class Member:
    """One model of a population.

    stream: names its random stream (initial values, order of the data), e.g. seed and setting.
    knobs: values of the rule's knobs; what is missing takes its default. words: its vocabulary,
    where that is smaller than the model's.
    """

    stream: str
    lr: float
    weight_decay: float
    knobs: Mapping[str, float] = field(default_factory=dict)
    words: int | None = None


@dataclass(frozen=True)
class Regime:
    """How long and by what a population is trained.

    stop_accuracy: a member ends with the first epoch whose accuracy on `select` is above it.
    select: the split that stops a member and chooses its checkpoint, by lowest perplexity.
    precision: "bf16" runs matrix products in bf16 with parameters and residual stream in fp32.
    """

    epochs: int = 200
    batch_size: int = 128
    stop_accuracy: float = 0.999
    select: Literal["validation", "test"] = "validation"
    precision: Literal["fp32", "bf16"] = "fp32"


def train_population(
    rule: RuleGraph,
    config: ModelConfig,
    members: Sequence[Member],
    data: Sequence[MemberData],
    regime: Regime,
    *,
    learn: Sequence[str] = (),
    chunk_size: int | None = None,
    device: str | torch.device = "cpu",
    on_progress: Callable[[Progress], None] | None = None,
    width: int | None = None,
    compact: float = 0.0,
) -> PopulationResult:
    """Trains every member on its own data, independently of the others.

    learn: knobs to train beside those the rule declares learned; chunk_size overrides the rule's.
    `on_progress` is called whenever members end an epoch. Every split is evaluated after every
    epoch of a member.
    width: how many train at the same time (None: all); the others wait for a place. compact: with
    nobody waiting, members close ranks once no more than this share of the places is taken.
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
    trainer = _Trainer(
        Network(model, regime.precision), members, data, regime, torch.device(device)
    )
    trainer.begin(width or len(members))
    while trainer.running.occupied():
        trainer.round(compact)
        if on_progress:
            on_progress(trainer.progress())
    return trainer.result()


@dataclass
class _Trial:
    """Where one member stands."""

    batches: int  # of an epoch
    result: MemberResult = field(default_factory=MemberResult)
    epoch: int = 1
    done: int = 0  # batches of this epoch
    ended: bool = False


class _Trainer:
    """Who trains, who waits, the best parameters so far, the results."""

    def __init__(
        self,
        store: Network,
        members: Sequence[Member],
        data: Sequence[MemberData],
        regime: Regime,
        device: torch.device,
    ) -> None:
        self.store, self.members, self.regime, self.device = store, members, regime, device
        # Accuracies are float32; in double one that is exactly 0.999 would be above it.
        self.stop_accuracy = torch.tensor(regime.stop_accuracy).item()
        self.train, *self.held_out = (
            Split([getattr(each, name) for each in data], device)
            for name in ("train", "validation", "test")
        )
        size = regime.batch_size
        self.trials = [_Trial(math.ceil(n / size)) for n in self.train.examples]
        self.waiting = deque(range(len(members)))
        self.best = store.flat.values.clone().to(device)
        self.began = time.perf_counter()

    def begin(self, width: int) -> None:
        """Seats the first members."""
        width = min(width, len(self.members))
        alone = width == len(self.members) and self.device == self.store.device
        network = self.store if alone else self.store.resized(width, self.device)
        self.running = Running(network, self.train, self.regime.batch_size)
        self.scorer = Scorer(self.held_out, network, width)
        for row in range(width):
            self._seat(row)

    def round(self, compact: float) -> None:
        """Trains until somebody ends an epoch; scores, judges and replaces who does."""
        began = time.perf_counter()
        rows = self.running.occupied()
        batches = min(self._left(row) for row in rows)
        for _ in range(batches):
            self.running.advance(max(self._examples_left(row) for row in rows))
            for row in rows:
                self._trial(row).done += 1
        enders = [row for row in rows if self._left(row) == 0]
        losses = [self.running.epoch_losses(row, self._trial(row).batches) for row in enders]
        who = [self._member(row) for row in enders]
        scores = self.scorer.score(self.running.network, enders, who)
        self._foresee(enders)
        table = torch.cat([torch.stack(losses).unsqueeze(1), scores], 1).tolist()  # the one wait
        seconds = (time.perf_counter() - began) / len(rows)
        for row in rows:
            self._trial(row).result.seconds += seconds
        self._judge_all(enders, table)
        if not self.waiting and len(self.running.occupied()) <= compact * len(rows):
            self._close_ranks()

    def progress(self) -> Progress:
        """Where the training stands."""
        total, done, epochs = 0, 0, self.regime.epochs
        for trial in self.trials:
            total += epochs * trial.batches
            done += epochs * trial.batches if trial.ended else trial.result.steps
        return Progress(
            epoch=max(len(trial.result.history) for trial in self.trials),
            epochs=epochs,
            step=done // len(self.trials),
            steps=total // len(self.trials),
            active=sum(
                not trial.ended or trial.result.status == "finished" for trial in self.trials
            ),
            members=len(self.trials),
            seconds=time.perf_counter() - self.began,
        )

    def result(self) -> PopulationResult:
        """What the training gives back."""
        self.store.flat.values.copy_(self.best)
        return PopulationResult([trial.result for trial in self.trials], self.store.model)

    def _judge_all(self, rows: Sequence[int], table: list[list[float]]) -> None:
        improved, ended = [], []
        for row, line in zip(rows, table, strict=True):
            trial = self._trial(row)
            if self._judge(trial, _metrics(trial.epoch, line)):
                improved.append(row)
            if trial.ended:
                ended.append(row)
        who = [self._member(row) for row in improved]
        self.best[who] = self.running.network.flat.values[improved]
        self._read_learned(ended)
        for row in rows:
            if not self._trial(row).ended:
                self._next_epoch(row)
                continue
            self.running.leave(row)
            if self.waiting:
                self._seat(row)

    def _judge(self, trial: _Trial, metrics: EpochMetrics) -> bool:
        """Records an epoch, ends the member if it is time; whether this is its best epoch."""
        result, select = trial.result, self.regime.select
        result.history.append(metrics)
        result.steps += trial.batches
        if not metrics.finite:
            result.status, trial.ended = "diverged", True
            return False
        now: SplitMetrics = getattr(metrics, select)
        if now.accuracy > self.stop_accuracy:
            result.status, trial.ended = "stopped", True
        elif trial.epoch == self.regime.epochs:
            trial.ended = True
        best = result.best
        if best is None or now.perplexity < getattr(best, select).perplexity:
            result.best_epoch = metrics.epoch
            return True
        return False

    def _read_learned(self, rows: Sequence[int]) -> None:
        """Learned knobs of members that end, off their last parameters."""
        if not rows:
            return
        for name, values in self.running.network.model.learned_knobs().items():
            for row, layers in zip(rows, values[list(rows)].tolist(), strict=True):
                self._trial(row).result.learned[name] = layers

    def _seat(self, row: int) -> None:
        member = self.waiting.popleft()
        who = self.members[member]
        self.running.seat(row, member, self.store, who.lr, who.weight_decay)
        self._start(row, member)

    def _next_epoch(self, row: int) -> None:
        trial = self._trial(row)
        trial.epoch, trial.done = trial.epoch + 1, 0
        self._start(row, self._member(row))

    def _start(self, row: int, member: int) -> None:
        stream, epoch = self.members[member].stream, self.trials[member].epoch
        order = epoch_order(stream, epoch, self.train.examples[member])
        self.running.begin_epoch(row, order)

    def _foresee(self, rows: Sequence[int]) -> None:
        """Draws the next orders while the device is still busy."""
        for row in rows:
            member = self._member(row)
            epoch = self.trials[member].epoch + 1
            epoch_order(self.members[member].stream, epoch, self.train.examples[member])

    def _close_ranks(self) -> None:
        if self.running.occupied():
            self.running = self.running.narrowed()

    def _member(self, row: int) -> int:
        member = self.running.members[row]
        assert member is not None
        return member

    def _trial(self, row: int) -> _Trial:
        return self.trials[self._member(row)]

    def _left(self, row: int) -> int:
        trial = self._trial(row)
        return trial.batches - trial.done

    def _examples_left(self, row: int) -> int:
        done = self._trial(row).done * self.regime.batch_size
        return self.train.examples[self._member(row)] - done


def _metrics(epoch: int, row: list[float]) -> EpochMetrics:
    return EpochMetrics(epoch, row[0], SplitMetrics(*row[1:5]), SplitMetrics(*row[5:9]))
