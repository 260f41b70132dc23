"""What a training gives back."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from archer.errors import ArcherError
from archer.model.backbone import Backbone
from archer.model.members import extract

Status = Literal["finished", "stopped", "diverged"]


@dataclass(frozen=True)
class SplitMetrics:
    """One split after one epoch, in batches of 128; NaN where a member has diverged.

    accuracy: macro accuracy per batch, mean over batches. plain_accuracy: over all scored
    positions. loss: mean over batches of the mean cross-entropy (nats). perplexity: mean over
    batches of exp(batch loss).
    """

    accuracy: float
    plain_accuracy: float
    loss: float
    perplexity: float


@dataclass(frozen=True)
class EpochMetrics:
    """One epoch of one member, from 1; train_loss is the mean over its batches while training."""

    epoch: int
    train_loss: float
    validation: SplitMetrics
    test: SplitMetrics

    @property
    def finite(self) -> bool:
        """Whether every loss was a finite number."""
        return all(map(math.isfinite, (self.train_loss, self.validation.loss, self.test.loss)))


@dataclass
class MemberResult:
    """How one member's training went.

    status: "finished" all epochs, "stopped" above the stop accuracy, or "diverged" (NaN or inf).
    steps: optimizer steps taken. seconds: its share of the wall time, each epoch being divided
    evenly among the members that were still training.
    history: every epoch it trained. best_epoch: the epoch of its checkpoint, None if it diverged
    before the first. learned: final values of learned knobs by name, [layer][head].
    """

    status: Status = "finished"
    steps: int = 0
    seconds: float = 0.0
    history: list[EpochMetrics] = field(default_factory=list)
    best_epoch: int | None = None
    learned: dict[str, list[list[float]]] = field(default_factory=dict)

    @property
    def best(self) -> EpochMetrics | None:
        """The epoch of the checkpoint."""
        return None if self.best_epoch is None else self.history[self.best_epoch - 1]


def result_to_json(result: MemberResult) -> dict[str, Any]:
    """A member's result as plain data."""
    return asdict(result)


def result_from_json(data: dict[str, Any]) -> MemberResult:
    """The result `result_to_json` wrote."""
    return MemberResult(**{**data, "history": [epoch_from_json(each) for each in data["history"]]})


def epoch_from_json(data: dict[str, Any]) -> EpochMetrics:
    """The epoch that `asdict` made plain data of."""
    splits = SplitMetrics(**data["validation"]), SplitMetrics(**data["test"])
    return EpochMetrics(data["epoch"], data["train_loss"], *splits)


@dataclass(frozen=True)
class PopulationResult:
    """Results in the order of the members, and the model at their best checkpoints, on the CPU.

    A member that had ended in an earlier run has an empty result and no checkpoint here. lost:
    members whose best epoch's parameters are gone, as they were resumed from another protocol's.
    """

    members: list[MemberResult]
    model: Backbone
    lost: frozenset[int] = frozenset()

    def module(self, member: int) -> Backbone:
        """One member at its best checkpoint as an ordinary module: ids [B, T] -> logits.

        Raises ArcherError if it diverged before it had one, or if that is lost.
        """
        if self.members[member].best_epoch is None:
            raise ArcherError(f"member {member} diverged before its first checkpoint: no model")
        if member in self.lost:
            raise ArcherError(f"member {member} was resumed under another protocol: no model")
        return extract(self.model, member)


@dataclass(frozen=True)
class Progress:
    """Where a training stands; seconds since it began.

    epoch: the furthest any member has come. step, steps: means over members, an ended one counting
    as done. active: members that have not stopped early or diverged. Members that had ended in an
    earlier run do not count. tokens_per_s: trained tokens of all members per second of wall time,
    evaluation included, since the last report. seated: members that train now.
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    active: int
    members: int
    seconds: float
    tokens_per_s: float = 0.0
    seated: int = 0
