"""The sweeps that a store has seen: what their trials are the trials of."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, inspect, select, text

from archer.store import Store
from archer.store.errors import reading_row
from archer.sweeps.described import points_from_json, points_to_json, sweep_from_json, sweep_to_json
from archer.sweeps.plan import Sweep
from archer.sweeps.points import Point

LOCK = 0x73776565  # of PostgreSQL's advisory locks: one process at a time notes a sweep

sweeps = Table(
    "sweeps",
    MetaData(),
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("key", Text, nullable=False, unique=True),  # hash of all but the number of trials
    Column("sweep", Text, nullable=False),  # JSON of `sweep_to_json`
    Column("points", Text, nullable=False),  # JSON: those trained so far, in their order
)


@dataclass(frozen=True)
class Noted:
    """A sweep, its number in its store, and the points it has come to, repetitions included."""

    number: int
    sweep: Sweep
    points: tuple[Point, ...]

    @property
    def title(self) -> str:
        """ "2: adam, lr and mu1, preset core"."""
        names = " and ".join(each.short for each in self.sweep.swept)
        design = self.sweep.design
        return f"{self.number}: {design.rule.name}, {names}, preset {design.preset.name}"


def note(store: Store, sweep: Sweep, points: Sequence[Point]) -> None:
    """Keep a sweep and the points it has come to; more of them than before, never fewer."""
    told = sweep_to_json(sweep)
    key = _hash({name: value for name, value in told.items() if name != "trials"})
    come_to = points_to_json(points)
    with store.transaction() as connection:
        _prepare(connection)
        row = connection.execute(select(sweeps).where(sweeps.c.key == key)).one_or_none()
        if row is None:
            new = {"key": key, "sweep": json.dumps(told), "points": json.dumps(come_to)}
            connection.execute(sweeps.insert().values(new))
            return
        with reading_row(f"sweep {row.id}"):
            told["trials"] = max(told["trials"], int(json.loads(row.sweep)["trials"]))
            before = list(json.loads(row.points))
        come_to = come_to if len(come_to) > len(before) else before
        new = {"sweep": json.dumps(told), "points": json.dumps(come_to)}
        connection.execute(sweeps.update().where(sweeps.c.key == key).values(new))


def noted(store: Store) -> list[Noted]:
    """Every sweep of a store, the oldest first."""
    with store.transaction() as connection:
        if not inspect(connection).has_table(sweeps.name):
            return []
        rows = connection.execute(select(sweeps).order_by(sweeps.c.id)).all()
        return [_noted(row.id, row.sweep, row.points) for row in rows]


def _noted(number: int, sweep: str, points: str) -> Noted:
    with reading_row(f"sweep {number}"):
        found = sweep_from_json(json.loads(sweep))
        return Noted(number, found, points_from_json(json.loads(points)))


def _prepare(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":  # SQLite has one writer at a time anyway
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
    sweeps.create(connection, checkfirst=True)


def _hash(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]
