"""Who works on a session: one process, for as long as it shows signs of life, as with trials."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Row, delete, insert, select, update

from archer.errors import ArcherError
from archer.research.tables import holds as leases
from archer.research.tables import prepare, sessions
from archer.store import Store
from archer.store.owner import Owner, holds, machine, this_process
from archer.store.run import LEASE_SECONDS, now


def take(connection: Connection, session: int, where: str) -> None:
    """Hold a session for a lease. Raises ArcherError while another living process holds it."""
    prepare(connection, where)
    row = _row(connection, session)
    owner, mine = _owner(row), this_process()
    left = _left(connection, session)
    if row.ended is None and owner != mine and _alive(owner, left):
        if owner.machine == machine():
            raise ArcherError(f"{where}: process {owner.pid} is at work on it; wait, or stop it")
        raise ArcherError(
            f"{where}: process {owner.pid} of {owner.machine.partition(' ')[0]} is at work on it; "
            f"if it is no more, wait {left:.0f} s"
        )
    connection.execute(update(sessions).where(sessions.c.id == session).values(**vars(mine)))
    connection.execute(delete(leases).where(leases.c.session == session))
    until = now(connection) + LEASE_SECONDS
    connection.execute(insert(leases).values(session=session, until=until))


def check(connection: Connection, session: int, where: str) -> None:
    """Raises ArcherError if another process has taken the session over meanwhile."""
    if _owner(_row(connection, session)) != this_process():
        raise ArcherError(
            f"{where}: another process works on session {session} since this one gave no sign of "
            "life for too long; stop one of them"
        )


@contextmanager
def alive(store: Store, session: int) -> Iterator[None]:
    """Shows signs of life of a session that was taken; at the end it is free."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(LEASE_SECONDS / 4):
            try:
                _extend(store, session)
            except ArcherError:  # out of reach for now; the next step will say so if it stays
                continue

    beats = threading.Thread(target=beat, daemon=True)
    beats.start()
    try:
        yield
    finally:
        over.set()
        beats.join()
        with store.transaction() as connection:
            if _owner(_row(connection, session)) == this_process():
                connection.execute(delete(leases).where(leases.c.session == session))


def _extend(store: Store, session: int) -> None:
    with store.transaction() as connection:
        check(connection, session, store.where)
        mine = update(leases).where(leases.c.session == session)
        connection.execute(mine.values(until=now(connection) + LEASE_SECONDS))


def _alive(owner: Owner, left: float | None) -> bool:
    """left: seconds of its lease; None if it has given the session back."""
    return left is not None and holds(owner, left)


def _left(connection: Connection, session: int) -> float | None:
    until = connection.scalar(select(leases.c.until).where(leases.c.session == session))
    return None if until is None else until - now(connection)


def _row(connection: Connection, session: int) -> Row[tuple[object, ...]]:
    """Locked until the transaction ends."""
    return connection.execute(
        select(sessions).where(sessions.c.id == session).with_for_update()
    ).one()


def _owner(row: Row[tuple[object, ...]]) -> Owner:
    return Owner(row.machine, row.pid, row.born)
