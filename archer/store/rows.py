"""A member's result as rows of the store, and back."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from archer.store.schema import METRICS
from archer.train.results import (
    EpochMetrics,
    MemberResult,
    SplitMetrics,
    result_from_json,
    result_to_json,
)

SPLITS = ("validation", "test")


def summary(result: MemberResult) -> str:
    """JSON of everything but the history."""
    data = result_to_json(replace(result, history=[]))
    del data["history"]
    return json.dumps(data)


def curve(trial: str, result: MemberResult) -> list[dict[str, Any]]:
    """A row per epoch. A database may not know NaN: there it is NULL."""
    return [
        {
            "trial": trial,
            "epoch": epoch.epoch,
            "train_loss": _stored(epoch.train_loss),
            **{
                f"{split}_{metric}": _stored(getattr(getattr(epoch, split), metric))
                for split in SPLITS
                for metric in METRICS
            },
        }
        for epoch in result.history
    ]


def result(summary: str, epochs: Iterable[EpochMetrics]) -> MemberResult:
    """The result whose summary and epochs, in order, these are."""
    return replace(result_from_json({**json.loads(summary), "history": []}), history=list(epochs))


def epoch(row: Sequence[Any]) -> EpochMetrics:
    """An epoch from a row of `curves`: trial, epoch, train loss, validation and test metrics."""
    number, metrics = row[1], [math.nan if value is None else value for value in row[2:]]
    middle = 1 + len(METRICS)
    validation, test = metrics[1:middle], metrics[middle:]
    return EpochMetrics(number, metrics[0], SplitMetrics(*validation), SplitMetrics(*test))


def _stored(value: float) -> float | None:
    return None if math.isnan(value) else value


def chunks(ids: Sequence[str], size: int = 500) -> list[Sequence[str]]:
    """A statement holds only so many values."""
    return [ids[start : start + size] for start in range(0, len(ids), size)]
