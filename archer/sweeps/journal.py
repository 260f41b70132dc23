"""Optuna's journal in one table of a store, beside the trials it is about.

Optuna's own tables in SQL cannot lie there: one of them is named `trials`, as ours is.
"""

import json
from collections.abc import Iterable
from typing import Any

from optuna.storages.journal import BaseJournalBackend
from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, select, text

from archer.store import Store

LOCK = 0x6A6F7572  # of PostgreSQL's advisory locks: one process at a time appends

journal = Table(
    "search_journal",
    MetaData(),
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("entry", Text, nullable=False),  # JSON, as Optuna writes it
)


class StoreJournal(BaseJournalBackend):
    """Entries in the order in which they were appended, for any number of processes.

    Entries of one call are appended together or not at all. Raises ArcherError, in one line, if
    the database cannot be read or written.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        with store.transaction() as connection:
            _lock(connection)
            journal.create(connection, checkfirst=True)

    def read_logs(self, log_number_from: int) -> Iterable[dict[str, Any]]:
        """Entries from this one on, counted from 0."""
        query = select(journal.c.entry).order_by(journal.c.id).offset(log_number_from)
        with self._store.transaction() as connection:
            return [json.loads(entry) for entry in connection.scalars(query)]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Append entries, in this order."""
        if not logs:
            return
        with self._store.transaction() as connection:
            _lock(connection)  # else a larger id could be seen before a smaller one
            connection.execute(journal.insert(), [{"entry": json.dumps(log)} for log in logs])


def _lock(connection: Connection) -> None:
    """Until the transaction ends; SQLite has one writer at a time anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
