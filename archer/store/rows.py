"""What the store writes as rows, and back; what it does not write is damage."""

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from sqlalchemy import Row, Table

from archer.mad.rates import ChosenRates
from archer.mad.trial import trial_from_json
from archer.store.errors import reading_row
from archer.store.owner import Owner, holds
from archer.store.schema import METRICS, plans, runs
from archer.train.results import (
    EpochMetrics,
    MemberResult,
    SplitMetrics,
    result_from_json,
    result_to_json,
)

SPLITS = ("validation", "test")
ENDED = ("finished", "stopped", "diverged")
STATES = ("waiting", "running", "failed", *ENDED)
KINDS: dict[type, tuple[type, ...]] = {float: (int, float), bool: (bool, int)}
SUMMARY = {field.name for field in fields(MemberResult)} - {"history"}


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


def result(trial: str, summary: str, epochs: Iterable[EpochMetrics]) -> MemberResult:
    """The result of a trial whose summary and epochs, in order, these are."""
    with reading_row(f"trial {trial}"):
        data = json.loads(summary)
        found = replace(result_from_json({**data, "history": []}), history=list(epochs))
        count = len(found.history)
        _check(
            [at.epoch for at in found.history] == list(range(1, count + 1)), "epochs are missing"
        )
        _check(found.best_epoch in (None, *range(1, count + 1)), "its best epoch is missing")
        _check(data.keys() == SUMMARY, "its result lacks something")
        _check(isinstance(found.learned, dict), "its learned knobs are none")
        _check(found.status in ENDED, f"its result says {found.status!r}")
        return replace(found, steps=int(found.steps), seconds=float(found.seconds))


def epoch(row: Sequence[Any]) -> EpochMetrics:
    """An epoch from a row of `curves`: trial, epoch, train loss, validation and test metrics."""
    with reading_row(f"curve of trial {row[0]}, epoch {row[1]}"):
        metrics = [math.nan if value is None else float(value) for value in row[2:]]
        middle = 1 + len(METRICS)
        validation, test = metrics[1:middle], metrics[middle:]
        return EpochMetrics(int(row[1]), metrics[0], SplitMetrics(*validation), SplitMetrics(*test))


def state(trial: str, status: str, reason: str) -> tuple[str, str]:
    """Status and reason of a trial."""
    with reading_row(f"trial {trial}"):
        _check(status in STATES, f"its status is {status!r}")
        return status, str(reason)


def description(trial: str, text: str) -> dict[str, Any]:
    """What `Trial.to_json` wrote: a trial can be made of it."""
    with reading_row(f"trial {trial}"):
        data: dict[str, Any] = json.loads(text)
        hash(trial_from_json(data).id)  # another version of the protocol may give it another
        return data


def members(population: int, text: str) -> tuple[str, ...]:
    """Trial ids of a population."""
    with reading_row(f"population {population}"):
        found = json.loads(text)
        _check(isinstance(found, list), "it is no list")
        return tuple(map(str, found))


def plan(row: Mapping[str, Any], rates: tuple[ChosenRates, ...]) -> dict[str, Any]:
    """A plan with the rows of its table, (rule, task, trial id, identical to) each."""
    with reading_row(f"plan {row['id']}"):
        check_kinds(plans, row)
        asked = json.loads(row["rows"])
        _check(isinstance(asked, list) and asked != [], "nothing was asked for")
        _check(
            all(len(each) == 4 and all(map(_names, each[:3])) for each in asked), "a row is none"
        )
        return {**row, "rows": asked, "rates": rates}


def run(row: Mapping[str, Any], asked: Collection[str], alive: bool) -> dict[str, Any]:
    """A run. asked: ids of plans; alive: whether it still holds its trials."""
    with reading_row(f"run {row['id']}"):
        check_kinds(runs, row)
        _check(row["plan"] in asked, f"its plan {row['plan']!r} is not there")
        told = json.loads(row["environment"])
        told["command"], told["commit"], told["code"]  # what is always told
        told["versions"]["archer"], told["versions"]["torch"]
        _check(told["card"] is None or _names(told["card"]["name"]), "its card has no name")
        return {**row, "environment": told, "alive": alive}


def holds_still(row: Row[Any], now: float) -> bool:
    """Whether a run that has not ended has a right to what it claimed."""
    with reading_row(f"run {row.id}"):
        return holds(Owner(row.machine, row.pid, row.born), float(row.until) - now)


def check_kinds(table: Table, row: Mapping[str, Any]) -> None:
    """Raises ValueError for a number that is none, and text that is none: SQLite takes anything."""
    for column in table.columns:
        value, kind = row[column.name], column.type.python_type
        sound = bool(column.nullable) if value is None else isinstance(value, KINDS.get(kind, kind))
        _check(sound, f"its {column.name} is {value!r}")


def _names(value: object) -> bool:
    return isinstance(value, str)


def _check(sound: bool, otherwise: str) -> None:
    if not sound:
        raise ValueError(otherwise)


def _stored(value: float) -> float | None:
    return None if math.isnan(value) else value


def chunks(ids: Sequence[str], size: int = 500) -> list[Sequence[str]]:
    """A statement holds only so many values."""
    return [ids[start : start + size] for start in range(0, len(ids), size)]
