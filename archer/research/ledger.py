"""The loop's memory: sessions, candidates, verdicts, dialogues and scores, in the store."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pandas as pd
from sqlalchemy import Connection, select, update
from sqlalchemy.exc import IntegrityError

from archer.errors import ArcherError
from archer.research import candidates, tables
from archer.research.entries import Arm, Entry, Session, session_of, the_entry
from archer.research.hold import alive, check, take
from archer.research.proposal import Outcome, Proposal, Spent
from archer.research.scores import insert_scores, read_scores
from archer.research.settings import Settings
from archer.research.tables import sessions
from archer.research.verdict import Gated, Verdict
from archer.store import Store
from archer.store.environment import environment
from archer.store.errors import reading_row
from archer.store.owner import this_process
from archer.store.rows import check_kinds
from archer.store.run import now


class Ledger:
    """What the loop has done, step by step.

    Guarantees: every method that writes does so in one transaction, so that a kill between two
    calls loses nothing and a kill within one leaves the step undone. A session is worked on by one
    process at a time, on whatever machine: it is free once its process is gone or, on another
    machine, has given no sign of life for a minute, and what that process then still writes is
    refused. Raises ArcherError where the database cannot be used.
    """

    def __init__(self, store: Store, *, create: bool = True) -> None:
        self.store = store
        self._taken: int | None = None
        with self.store.transaction() as connection:
            if create:
                tables.prepare(connection, store.where)
            elif not tables.exist(connection, store.where):
                raise ArcherError(f"{store.where}: no research there; `archer research` begins one")

    @property
    def where(self) -> str:
        return self.store.where

    # sessions

    def sessions(self) -> list[Session]:
        """Every session, the oldest first."""
        with self.store.transaction() as connection:
            found = connection.execute(select(sessions).order_by(sessions.c.id)).mappings()
            return [_session(dict(row)) for row in found]

    def begin(self, settings: Settings) -> Session:
        """A new session, held by this process."""
        owner = this_process()
        with self.store.transaction() as connection:
            row = {
                "settings": json.dumps(settings.to_json()),
                "environment": json.dumps(environment(settings.device)),
                **vars(owner),
                "started": now(connection),
                "costs": "{}",
                "reached": "{}",
                "why": "",
            }
            made = connection.execute(sessions.insert().values(row))
            assert made.inserted_primary_key is not None
            self._taken = made.inserted_primary_key[0]
            take(connection, self._taken, self.where)
            return session_of({**row, "id": self._taken, "ended": None})

    def take(self, session: Session) -> None:
        """Hold a session. Raises ArcherError while another living process works on it."""
        with self.store.transaction() as connection:
            take(connection, session.id, self.where)
        self._taken = session.id

    @contextmanager
    def held(self, session: Session) -> Iterator[None]:
        """Hold a session and show signs of life; at the end it is free for others."""
        self.take(session)
        with alive(self.store, session.id):
            yield

    def end(self, session: Session, why: str) -> None:
        """Nothing is left to do."""
        with self._writing() as connection:
            mine = update(sessions).where(sessions.c.id == session.id)
            connection.execute(mine.values(ended=now(connection), why=why))

    def costs(self, session: Session, costs: Mapping[str, float]) -> None:
        """Record what built-in rules cost per token, relative to delta."""
        with self._writing() as connection:
            mine = update(sessions).where(sessions.c.id == session.id)
            connection.execute(mine.values(costs=json.dumps(dict(costs))))

    def reached(self, session: Session, spent: Spent) -> None:
        """Record the most that a language model can have cost so far, before it is asked."""
        with self._writing() as connection:
            mine = update(sessions).where(sessions.c.id == session.id)
            connection.execute(mine.values(reached=json.dumps(vars(spent))))

    # candidates

    def entries(self, session: int | None = None, arm: Arm | None = None) -> list[Entry]:
        """Every proposal asked for, in that order."""
        with self.store.transaction() as connection:
            return candidates.read_entries(connection, session, arm)

    def entry(self, id: str) -> Entry:
        """The candidate whose id begins so, or of that name. Raises ArcherError."""
        return the_entry(id, self.entries(), self.where)

    def add(
        self, session: Session, arm: Arm, number: int, proposal: Proposal, seconds: float
    ) -> Entry:
        """Record a proposal, with its expectations, before anything is done with it."""
        return self._insert(session, arm, number, proposal, seconds, "waiting", "")

    def add_nothing(
        self, session: Session, arm: Arm, number: int, proposal: Proposal, reason: str
    ) -> Entry:
        """Record that nothing came of asking; the proposal has no source, only what it cost."""
        seconds = proposal.spent.seconds
        why = f"no proposal: {reason}"
        return self._insert(session, arm, number, proposal, seconds, "refused", why)

    def _insert(
        self,
        session: Session,
        arm: Arm,
        number: int,
        proposal: Proposal,
        seconds: float,
        outcome: Outcome,
        reason: str,
    ) -> Entry:
        with self._writing() as connection:
            try:
                id = candidates.insert_candidate(
                    connection, session.id, arm, number, proposal, seconds, outcome, reason
                )
            except IntegrityError as error:
                raise ArcherError(
                    f"{self.where}: another process works on session {session.id}; stop it"
                ) from error
        return self.entry(id)

    def gated(self, entry: Entry, gated: Gated, seconds: float) -> None:
        """Record every gate's verdict; a candidate that one refused has come to its end."""
        with self._writing() as connection:
            candidates.insert_gated(connection, entry, gated, seconds)

    def trained(self, group: Sequence[Entry], seconds: float) -> None:
        """Record how long each of these was trained until somebody interrupted it."""
        with self._writing() as connection:
            for entry in group:
                candidates.change(connection, entry, {"training": entry.training + seconds})

    def judged(
        self, entry: Entry, outcome: Outcome, reason: str, stage: str, seconds: float, final: bool
    ) -> None:
        """Record what a stage made of a candidate; final: nothing is left to be done with it."""
        with self._writing() as connection:
            values = {
                "outcome": outcome,
                "reason": reason,
                "stage": stage,
                "training": entry.training + seconds,
                "ended": now(connection) if final else None,
            }
            candidates.change(connection, entry, values)

    def verdicts(self, entry: Entry) -> list[Verdict]:
        with self.store.transaction() as connection:
            return candidates.read_verdicts(connection, entry.id)

    def dialogue(self, entry: Entry) -> list[Any]:
        with self.store.transaction() as connection:
            return candidates.read_dialogue(connection, entry.id)

    # scores

    def scored(self, session: Session, stage: str, split: str, found: pd.DataFrame) -> None:
        """Record accuracies: columns rule, task, seed, accuracy. What was there is replaced."""
        with self._writing() as connection:
            insert_scores(connection, session.id, stage, split, found)

    def scores(self, session: int, split: str = "validation") -> pd.DataFrame:
        """Columns rule, stage, split, task, seed, accuracy."""
        with self.store.transaction() as connection:
            return read_scores(connection, session, split)

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A transaction of the process that still holds the session it took."""
        with self.store.transaction() as connection:
            if self._taken is not None:
                check(connection, self._taken, self.where)
            yield connection


def _session(row: Mapping[str, Any]) -> Session:
    with reading_row(f"session {row['id']}"):
        check_kinds(sessions, row)
        return session_of(row)
