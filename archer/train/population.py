"""Trains a population: P models side by side, each as if it were alone.

Legend: P members, M numbers per member, B batch, T length.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from archer.errors import ArcherError
from archer.model.backbone import Backbone, build
from archer.model.config import ModelConfig
from archer.rules.graph import RuleGraph
from archer.train.data import MemberData, Split, epoch_order
from archer.train.evaluate import evaluate, member_losses
from archer.train.optimizer import AdamW, FlatParameters
from archer.train.results import (
    EpochMetrics,
    MemberResult,
    PopulationResult,
    Progress,
    SplitMetrics,
)


@dataclass(frozen=True)
class Member:
    """One model of a population.

    stream: names its random stream (initial values, order of the data), e.g. seed and setting.
    knobs: values of the rule's knobs; what is missing takes its default.
    """

    stream: str
    lr: float
    weight_decay: float
    knobs: Mapping[str, float] = field(default_factory=dict)


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
) -> PopulationResult:
    """Trains every member on its own data, independently of the others.

    learn: knobs to train beside those the rule declares learned; chunk_size overrides the rule's.
    `on_progress` is called after every epoch. Every split is evaluated after every epoch.
    Raises ArcherError if data and members do not match or a knob is unknown or out of bounds.
    """
    if not members or len(members) != len(data):
        raise ArcherError(f"{len(members)} members and {len(data)} data sets; give one each")
    streams, knobs = [m.stream for m in members], [m.knobs for m in members]
    model = build(rule, config, streams, knobs=knobs, learn=learn, chunk_size=chunk_size)
    trainer = _Trainer(model.to(device), members, data, regime)
    began = time.perf_counter()
    for epoch in range(1, regime.epochs + 1):
        trainer.run_epoch(epoch)
        if on_progress:
            seconds = time.perf_counter() - began
            on_progress(trainer.progress(epoch, seconds))
        if not any(trainer.active):
            break
    return trainer.result()


class _Trainer:
    """The state of a training: a model, its optimizer, the best parameters so far, the results."""

    def __init__(
        self,
        model: Backbone,
        members: Sequence[Member],
        data: Sequence[MemberData],
        regime: Regime,
    ) -> None:
        self.model, self.regime = model, regime
        # Accuracies are float32; in double one that is exactly 0.999 would be above it.
        self.stop_accuracy = torch.tensor(regime.stop_accuracy).item()
        self.streams = [member.stream for member in members]
        self.device = next(model.parameters()).device
        self.splits = {
            name: Split([getattr(each, name) for each in data], self.device)
            for name in ("train", "validation", "test")
        }
        self.flat = FlatParameters(model, len(members))
        self.optimizer = AdamW(
            self.flat, [m.lr for m in members], [m.weight_decay for m in members]
        )
        self.best = self.flat.values.clone()
        self.results = [MemberResult() for _ in members]
        self.active = [True] * len(members)
        self.steps_per_epoch = math.ceil(self.splits["train"].examples / regime.batch_size)

    def run_epoch(self, epoch: int) -> None:
        """Trains, evaluates and judges the members that are still active."""
        began = time.perf_counter()
        with self._precision():
            losses = self._train_epoch(epoch)
            columns = [losses.unsqueeze(1)]
            columns += [evaluate(self.model, self.splits[name]) for name in ("validation", "test")]
        rows = torch.cat(columns, 1).tolist()  # the one wait for the device in an epoch
        seconds = (time.perf_counter() - began) / sum(self.active)
        improved = []
        for member, row in enumerate(rows):
            if self.active[member] and self._judge(member, _metrics(epoch, row), seconds):
                improved.append(member)
        self.best[improved] = self.flat.values[improved]

    def progress(self, epoch: int, seconds: float) -> Progress:
        """Where the training stands after this epoch."""
        return Progress(
            epoch=epoch,
            epochs=self.regime.epochs,
            step=epoch * self.steps_per_epoch,
            steps=self.regime.epochs * self.steps_per_epoch,
            active=sum(self.active),
            members=len(self.active),
            seconds=seconds,
        )

    def result(self) -> PopulationResult:
        """What the training gives back; learned knobs are read off the last parameters."""
        for name, values in self.model.learned_knobs().items():
            for result, layers in zip(self.results, values.tolist(), strict=True):
                result.learned[name] = layers
        self.flat.values.copy_(self.best)
        return PopulationResult(self.results, self.model.cpu())

    def _train_epoch(self, epoch: int) -> Tensor:
        """One pass over the training data; [P] mean losses, NaN or inf if any batch's was."""
        train = self.splits["train"]
        order = epoch_order(self.streams, epoch, train.examples).to(self.device)
        active = None if all(self.active) else torch.tensor(self.active, device=self.device)
        losses = []
        for which in torch.split(order, self.regime.batch_size, 1):
            inputs, targets = train.take(which)
            loss = member_losses(self.model(inputs, train.positions), targets)
            self.flat.backward(loss.sum())
            self.optimizer.step(active)
            losses.append(loss.detach())
        return torch.stack(losses, 1).mean(1)

    def _judge(self, member: int, metrics: EpochMetrics, seconds: float) -> bool:
        """Records an epoch, ends the member if it is time; whether this is its best epoch."""
        result, select = self.results[member], self.regime.select
        result.history.append(metrics)
        result.steps += self.steps_per_epoch
        result.seconds += seconds
        if not metrics.finite:
            result.status, self.active[member] = "diverged", False
            return False
        now: SplitMetrics = getattr(metrics, select)
        if now.accuracy > self.stop_accuracy:
            result.status, self.active[member] = "stopped", False
        best = result.best
        if best is None or now.perplexity < getattr(best, select).perplexity:
            result.best_epoch = metrics.epoch
            return True
        return False

    def _precision(self) -> AbstractContextManager[object]:
        if self.regime.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16)


def _metrics(epoch: int, row: list[float]) -> EpochMetrics:
    return EpochMetrics(epoch, row[0], SplitMetrics(*row[1:5]), SplitMetrics(*row[5:9]))
