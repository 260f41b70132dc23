"""What a store knows of trials, beyond their results: descriptions, who trained them, scores."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from archer.store import rows
from archer.store.errors import DamagedError
from archer.store.run import ENDED
from archer.store.schema import trials
from archer.store.store import Store
from archer.train.reading import Split, read


def descriptions(store: Store, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What `Trial.to_json` wrote of each of these trials. Raises ArcherError as the store does,
    and for one that is not there."""
    found: dict[str, dict[str, Any]] = {}
    with store.reading() as connection:
        for some in rows.chunks(ids):
            query = select(trials.c.id, trials.c.trial).where(trials.c.id.in_(some))
            found |= {id: rows.description(id, told) for id, told in connection.execute(query)}
        if lost := [id for id in ids if id not in found]:
            raise DamagedError(f"trial {lost[0]} was asked for and is not there")
    return found


def trained_by(store: Store, ids: Sequence[str]) -> dict[str, int]:
    """The run that trained each of these trials, where it has ended."""
    found: dict[str, int] = {}
    with store.reading() as connection:
        for some in rows.chunks(ids):
            query = select(trials.c.id, trials.c.run)
            query = query.where(trials.c.id.in_(some), trials.c.status.in_(ENDED))
            found |= {row.id: row.run for row in connection.execute(query) if row.run is not None}
    return found


def accuracies(store: Store, limits: Mapping[str, float], split: Split) -> dict[str, float]:
    """What a protocol that stops and chooses by `split` reads off those that have ended.

    Accuracy on that split at its checkpoint, if there is one. limits: stop accuracies by trial id.
    """
    found: dict[str, float] = {}
    for some in rows.chunks(list(limits)):
        for id, result in store.results(some).items():
            if best := read(result, split, limits[id]).best:
                found[id] = getattr(best, split).accuracy
    return found
