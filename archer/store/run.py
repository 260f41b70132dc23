"""One command at work on a store: it claims populations, and brings their results."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, func, select, update

from archer.errors import ArcherError
from archer.mad.plan import Population
from archer.store import rows
from archer.store.errors import told
from archer.store.rows import ENDED as ENDED
from archer.store.schema import curves, runs, trials
from archer.train.results import MemberResult

LEASE_SECONDS = 60.0


class Run:
    """Holds what it claims until it is closed; see `Store` for the guarantees.

    Use as a context manager: inside, a thread shows signs of life four times a lease.
    """

    def __init__(self, engine: Engine, where: str, id: int, lease: float) -> None:
        self._engine, self.where, self.id, self.lease = engine, where, id, lease
        self._over = threading.Event()
        self._beats = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> "Run":
        self._beats.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._beats.join()
        self.close()

    def close(self) -> None:
        """End the run: what it holds is waiting again."""
        with self._transaction() as connection:
            held = update(trials).where(trials.c.run == self.id, trials.c.status == "running")
            connection.execute(held.values(status="waiting", run=None))
            end = update(runs).where(runs.c.id == self.id, runs.c.ended.is_(None))
            connection.execute(end.values(ended=now(connection)))

    def claim(self, population: Population) -> bool:
        """Hold all its trials that are left, or none if one is held by another living run, or has
        ended meanwhile."""
        ids = sorted(trial.id for trial in population.left.values())
        with self._transaction() as connection:
            found = self._locked(connection, ids)
            if len(found) < len(ids) or any(status in ENDED for status, _ in found.values()):
                return False
            holders = {run for status, run in found.values() if status == "running"} - {self.id}
            if any(_holds(connection, run) for run in holders):
                return False
            for some in rows.chunks(ids):
                mine = update(trials).where(trials.c.id.in_(some))
                connection.execute(mine.values(status="running", reason="", run=self.id))
        return True

    def finish(self, results: Mapping[str, MemberResult]) -> set[str]:
        """Store results by trial id; returns those accepted: of the trials this run holds."""
        with self._transaction() as connection:
            mine = self._held(connection, results)
            for id in mine:
                row = update(trials).where(trials.c.id == id)
                result = results[id]
                connection.execute(row.values(status=result.status, result=rows.summary(result)))
                if curve := rows.curve(id, result):
                    connection.execute(curves.insert(), curve)
        return mine

    def fail(self, ids: Sequence[str], reason: str) -> set[str]:
        """Those of these trials that this run holds have failed, and are free to be tried again."""
        with self._transaction() as connection:
            mine = self._held(connection, dict.fromkeys(ids))
            for id in mine:
                row = update(trials).where(trials.c.id == id)
                connection.execute(row.values(status="failed", reason=reason))
        return mine

    def _held(self, connection: Connection, ids: Mapping[str, object]) -> set[str]:
        found = self._locked(connection, sorted(ids))
        return {id for id, state in found.items() if state == ("running", self.id)}

    def _locked(self, connection: Connection, ids: Sequence[str]) -> dict[str, tuple[str, int]]:
        """(status, run) by id, locked in the order of ids until the transaction ends."""
        found: dict[str, tuple[str, int]] = {}
        for some in rows.chunks(ids):
            query = select(trials.c.id, trials.c.status, trials.c.run).where(trials.c.id.in_(some))
            query = query.order_by(trials.c.id).with_for_update()
            found |= {id: (status, run) for id, status, run in connection.execute(query)}
        return found

    def _beat(self) -> None:
        while not self._over.wait(self.lease / 4):
            try:
                self.beat()
            except ArcherError:  # out of reach for now; a result will say so if it stays
                continue

    def beat(self) -> None:
        """Show a sign of life: the lease begins anew."""
        with self._transaction() as connection:
            alive = update(runs).where(runs.c.id == self.id, runs.c.ended.is_(None))
            connection.execute(alive.values(until=now(connection) + self.lease))

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with told(self.where), self._engine.begin() as connection:
            yield connection


def _holds(connection: Connection, run: int) -> bool:
    """Whether a run still has a right to what it claimed."""
    row = connection.execute(select(runs).where(runs.c.id == run)).one_or_none()
    return row is not None and row.ended is None and rows.holds_still(row, now(connection))


def now(connection: Connection) -> float:
    """Seconds since 1970 by the clock that all processes on this database share."""
    if connection.dialect.name == "postgresql":
        found = connection.scalar(select(func.extract("epoch", func.clock_timestamp())))
        return float(found or 0.0)
    return time.time()
