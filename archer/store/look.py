"""What a store knows of trials, beyond their results: descriptions, who trained them, scores."""

import json
import math
from collections.abc import Sequence
from typing import Any, Literal

from sqlalchemy import select, tuple_

from archer.store import rows
from archer.store.run import ENDED
from archer.store.schema import curves, trials
from archer.store.store import Store

Split = Literal["validation", "test"]


def descriptions(store: Store, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What `Trial.to_json` wrote of each of these trials. Raises ArcherError as the store does."""
    found: dict[str, dict[str, Any]] = {}
    with store.transaction() as connection:
        for some in rows.chunks(ids):
            query = select(trials.c.id, trials.c.trial).where(trials.c.id.in_(some))
            found |= {row.id: json.loads(row.trial) for row in connection.execute(query)}
    return found


def trained_by(store: Store, ids: Sequence[str]) -> dict[str, int]:
    """The run that trained each of these trials, where it has ended."""
    found: dict[str, int] = {}
    with store.transaction() as connection:
        for some in rows.chunks(ids):
            query = select(trials.c.id, trials.c.run)
            query = query.where(trials.c.id.in_(some), trials.c.status.in_(ENDED))
            found |= {row.id: row.run for row in connection.execute(query) if row.run is not None}
    return found


def accuracies(store: Store, ids: Sequence[str], split: Split) -> dict[str, float]:
    """Accuracy at the checkpoint of those that have ended and have one; reads no whole curve."""
    column = curves.c[f"{split}_accuracy"]
    found: dict[str, float] = {}
    with store.transaction() as connection:
        for some in rows.chunks(ids):
            ended = select(trials.c.id, trials.c.result)
            ended = ended.where(trials.c.id.in_(some), trials.c.status.in_(ENDED))
            epochs = {r.id: json.loads(r.result)["best_epoch"] for r in connection.execute(ended)}
            if not (at := [(id, epoch) for id, epoch in epochs.items() if epoch is not None]):
                continue
            best = select(curves.c.trial, column)
            best = best.where(tuple_(curves.c.trial, curves.c.epoch).in_(at))
            for id, accuracy in connection.execute(best):
                found[id] = math.nan if accuracy is None else accuracy
    return found
