"""What a protocol reads off a training: when it would have stopped, and its checkpoint.

A member trains until both held-out splits have been above the stop accuracy, so that one training
serves every protocol; each reads only the epochs up to its own stop.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch

from archer.train.results import EpochMetrics, MemberResult, Status

Split = Literal["validation", "test"]


def stop_epoch(history: Sequence[EpochMetrics], split: Split, stop_accuracy: float) -> int | None:
    """The first epoch with an accuracy above the stop accuracy on a split; None before it."""
    # Accuracies are float32; in double one that is exactly 0.999 would be above it.
    limit = torch.tensor(stop_accuracy).item()
    above = (at.epoch for at in history if at.finite and getattr(at, split).accuracy > limit)
    return next(above, None)


def best_epoch(history: Sequence[EpochMetrics], split: Split) -> int | None:
    """The first epoch of the lowest perplexity on a split; None without a finite one."""
    finite = [at for at in history if at.finite]
    return min(finite, key=lambda at: getattr(at, split).perplexity).epoch if finite else None


def read(result: MemberResult, split: Split, stop_accuracy: float) -> MemberResult:
    """The result of a training as it is under a protocol that stops and chooses by `split`.

    Steps and seconds are those up to its stop; learned knobs are read at the end of the training.
    """
    if not result.history:
        return result
    stop = stop_epoch(result.history, split, stop_accuracy)
    history = result.history[:stop]
    status: Status = (
        "stopped" if stop else "diverged" if result.status == "diverged" else "finished"
    )
    steps = result.steps * len(history) // len(result.history)
    seconds = result.seconds * len(history) / len(result.history)
    best = best_epoch(history, split)
    return replace(
        result, status=status, steps=steps, seconds=seconds, history=history, best_epoch=best
    )
