"""The loop's memory: sessions, candidates, verdicts, dialogues and scores, in the store."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pandas as pd
from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from archer.errors import ArcherError
from archer.research import tables
from archer.research.entries import (
    Arm,
    Entry,
    Session,
    candidate_id,
    entry_of,
    proposal_json,
    session_of,
    the_entry,
)
from archer.research.hold import alive, check, take
from archer.research.proposal import Outcome, Proposal, Spent
from archer.research.settings import Settings
from archer.research.tables import candidates, dialogues, scores, sessions, verdicts
from archer.research.verdict import Gated, Verdict
from archer.rules.load import BUILTIN
from archer.rules.peer import is_peer
from archer.rules.validate import is_plain_name
from archer.store import Store
from archer.store.environment import environment
from archer.store.errors import reading_row
from archer.store.owner import this_process
from archer.store.rows import check_kinds
from archer.store.run import now

LONGEST_NAME = 60
SCORES = ("rule", "stage", "split", "task", "seed", "accuracy")


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
        with self._transaction() as connection:
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
        with self._transaction() as connection:
            found = connection.execute(select(sessions).order_by(sessions.c.id)).mappings()
            return [_session(dict(row)) for row in found]

    def begin(self, settings: Settings) -> Session:
        """A new session, held by this process."""
        owner = this_process()
        with self._transaction() as connection:
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
        with self._transaction() as connection:
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
        query = select(candidates).order_by(
            candidates.c.session, candidates.c.arm.desc(), candidates.c.number
        )
        if session is not None:
            query = query.where(candidates.c.session == session)
        if arm is not None:
            query = query.where(candidates.c.arm == arm)
        with self._transaction() as connection:
            return [_entry(dict(row)) for row in connection.execute(query).mappings()]

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
        reason = f"no proposal: {reason}"
        return self._insert(
            session, arm, number, proposal, proposal.spent.seconds, "refused", reason
        )

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
        id = candidate_id(session.id, arm, number)
        with self._writing() as connection:
            taken = set(connection.scalars(select(candidates.c.name))) | set(BUILTIN)
            name = proposal.name if _plain(proposal.name) else "unnamed"
            name = f"{name}_{id}" if name in taken or is_peer(name) else name
            row = {
                "id": id,
                "session": session.id,
                "arm": arm,
                "number": number,
                "name": name,
                "source": proposal.source,
                "proposal": proposal_json(proposal),
                "outcome": outcome,
                "reason": reason,
                "asking": seconds,
                "asked": now(connection),
            }
            try:
                connection.execute(candidates.insert().values(row))
            except IntegrityError as error:
                raise ArcherError(
                    f"{self.store.where}: another process works on session {session.id}; stop it"
                ) from error
            said = [
                {"candidate": id, "position": i, "message": json.dumps(message, default=str)}
                for i, message in enumerate(proposal.dialogue)
            ]
            if said:
                connection.execute(insert(dialogues), said)
        return self.entry(id)

    def gated(self, entry: Entry, gated: Gated, seconds: float) -> None:
        """Record every gate's verdict; a candidate that one refused has come to its end."""
        refused = gated.failed
        values: dict[str, Any] = {"gating": seconds, "protection": json.dumps(gated.protection)}
        if refused is not None or gated.graph is None:
            why = "the gates were not passed" if refused is None else _said(refused)
            values |= {"outcome": "refused", "reason": why}
        else:
            graph = replace(gated.graph, name=entry.name)
            values |= {
                "graph": json.dumps(graph.to_json()),
                "hash": graph.rule_hash,
                "behaviour": gated.behaviour,
                "cost": gated.cost if math.isfinite(gated.cost) else None,
            }
        with self._writing() as connection:
            connection.execute(delete(verdicts).where(verdicts.c.candidate == entry.id))
            said = [
                {"candidate": entry.id, "position": i, **vars(verdict)}
                for i, verdict in enumerate(gated.verdicts)
            ]
            if said:
                connection.execute(insert(verdicts), said)
            if "outcome" in values:
                values["ended"] = now(connection)
            self._update(connection, entry, values)

    def trained(self, group: Sequence[Entry], seconds: float) -> None:
        """Record how long each of these was trained until somebody interrupted it."""
        with self._writing() as connection:
            for entry in group:
                self._update(connection, entry, {"training": entry.training + seconds})

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
            self._update(connection, entry, values)

    def _update(self, connection: Connection, entry: Entry, values: Mapping[str, Any]) -> None:
        connection.execute(update(candidates).where(candidates.c.id == entry.id).values(values))

    def verdicts(self, entry: Entry) -> list[Verdict]:
        query = select(verdicts).where(verdicts.c.candidate == entry.id)
        with self._transaction() as connection:
            found = connection.execute(query.order_by(verdicts.c.position)).mappings()
            return [_verdict(dict(row)) for row in found]

    def dialogue(self, entry: Entry) -> list[Any]:
        query = select(dialogues.c.message).where(dialogues.c.candidate == entry.id)
        with self._transaction() as connection:
            found = connection.scalars(query.order_by(dialogues.c.position))
            with reading_row(f"dialogue of candidate {entry.id}"):
                return [json.loads(message) for message in found]

    # scores

    def scored(self, session: Session, stage: str, split: str, found: pd.DataFrame) -> None:
        """Record accuracies: columns rule, task, seed, accuracy. What was there is replaced."""
        rows = [
            {
                "session": session.id,
                "rule": rule,
                "stage": stage,
                "split": split,
                "task": task,
                "seed": int(seed),
                "accuracy": None if math.isnan(accuracy) else float(accuracy),
            }
            for rule, task, seed, accuracy in found[
                ["rule", "task", "seed", "accuracy"]
            ].itertuples(index=False)
        ]
        here = (scores.c.session == session.id, scores.c.stage == stage, scores.c.split == split)
        with self._writing() as connection:
            for rule, seed in {(row["rule"], row["seed"]) for row in rows}:
                old = delete(scores).where(*here, scores.c.rule == rule, scores.c.seed == seed)
                connection.execute(old)
            if rows:
                connection.execute(insert(scores), rows)

    def scores(self, session: int, split: str = "validation") -> pd.DataFrame:
        """Columns rule, stage, split, task, seed, accuracy."""
        query = select(*(scores.c[name] for name in SCORES))
        query = query.where(scores.c.session == session, scores.c.split == split)
        order = query.order_by(scores.c.stage, scores.c.rule, scores.c.task, scores.c.seed)
        with self._transaction() as connection:
            found = pd.DataFrame(connection.execute(order).all(), columns=list(SCORES))
            with reading_row(f"scores of session {session}"):
                return found.astype({"seed": int, "accuracy": float})

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """A transaction of the process that still holds the session it took."""
        with self.store.transaction() as connection:
            if self._taken is not None:
                check(connection, self._taken, self.where)
            yield connection

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self.store.transaction() as connection:
            yield connection


def _session(row: Mapping[str, Any]) -> Session:
    with reading_row(f"session {row['id']}"):
        check_kinds(sessions, row)
        return session_of(row)


def _entry(row: Mapping[str, Any]) -> Entry:
    with reading_row(f"candidate {row['id']}"):
        check_kinds(candidates, row)
        return entry_of(row)


def _verdict(row: Mapping[str, Any]) -> Verdict:
    with reading_row(f"verdict on candidate {row['candidate']}"):
        check_kinds(verdicts, row)
        return Verdict(row["gate"], row["passed"], row["reason"], row["seconds"])


def _said(verdict: Verdict) -> str:
    return f"{verdict.gate}: {verdict.reason}"


def _plain(name: str) -> bool:
    """Whether a rule may be called so; a proposer may have written anything."""
    return is_plain_name(name) and name.isascii() and len(name) <= LONGEST_NAME
