"""Candidates in the store, their dialogues and verdicts.

Each function is a part of a transaction of the ledger's.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from archer.research.entries import Arm, Entry, candidate_id, entry_of, proposal_json
from archer.research.proposal import Outcome, Proposal
from archer.research.tables import candidates, dialogues, verdicts
from archer.research.verdict import Gated, Verdict
from archer.rules.graph import RuleGraph
from archer.rules.load import BUILTIN
from archer.rules.peer import is_peer
from archer.rules.validate import is_plain_name
from archer.store.errors import reading_row
from archer.store.rows import check_kinds
from archer.store.run import now

LONGEST_NAME = 60


def read_entries(connection: Connection, session: int | None, arm: Arm | None) -> list[Entry]:
    """Those of a session and an arm (None: of all), in the order in which they were asked for."""
    query = select(candidates).order_by(
        candidates.c.session, candidates.c.arm.desc(), candidates.c.number
    )
    if session is not None:
        query = query.where(candidates.c.session == session)
    if arm is not None:
        query = query.where(candidates.c.arm == arm)
    return [_entry(dict(row)) for row in connection.execute(query).mappings()]


def read_verdicts(connection: Connection, candidate: str) -> list[Verdict]:
    """In the order of the gates."""
    query = select(verdicts).where(verdicts.c.candidate == candidate)
    found = connection.execute(query.order_by(verdicts.c.position)).mappings()
    return [_verdict(dict(row)) for row in found]


def read_dialogue(connection: Connection, candidate: str) -> list[Any]:
    """Its messages, the first first."""
    query = select(dialogues.c.message).where(dialogues.c.candidate == candidate)
    found = connection.scalars(query.order_by(dialogues.c.position))
    with reading_row(f"dialogue of candidate {candidate}"):
        return [json.loads(message) for message in found]


def _entry(row: Mapping[str, Any]) -> Entry:
    with reading_row(f"candidate {row['id']}"):
        check_kinds(candidates, row)
        return entry_of(row)


def _verdict(row: Mapping[str, Any]) -> Verdict:
    with reading_row(f"verdict on candidate {row['candidate']}"):
        check_kinds(verdicts, row)
        return Verdict(row["gate"], row["passed"], row["reason"], row["seconds"])


def insert_candidate(
    connection: Connection,
    session: int,
    arm: Arm,
    number: int,
    proposal: Proposal,
    seconds: float,
    outcome: Outcome,
    reason: str,
) -> str:
    """Its id. Raises sqlalchemy's IntegrityError if that number of the arm is there already."""
    id = candidate_id(session, arm, number)
    row = {
        "id": id,
        "session": session,
        "arm": arm,
        "number": number,
        "name": _free_name(connection, proposal.name, id),
        "source": proposal.source,
        "proposal": proposal_json(proposal),
        "outcome": outcome,
        "reason": reason,
        "asking": seconds,
        "asked": now(connection),
    }
    connection.execute(candidates.insert().values(row))
    said = [
        {"candidate": id, "position": i, "message": json.dumps(message, default=str)}
        for i, message in enumerate(proposal.dialogue)
    ]
    if said:
        connection.execute(insert(dialogues), said)
    return id


def _free_name(connection: Connection, proposed: str, id: str) -> str:
    """The proposed name, or what makes it one that no other rule has."""
    taken = set(connection.scalars(select(candidates.c.name))) | set(BUILTIN)
    name = proposed if _plain(proposed) else "unnamed"
    return f"{name}_{id}" if name in taken or is_peer(name) else name


def _plain(name: str) -> bool:
    """Whether a rule may be called so; a proposer may have written anything."""
    return is_plain_name(name) and name.isascii() and len(name) <= LONGEST_NAME


def insert_gated(connection: Connection, entry: Entry, gated: Gated, seconds: float) -> None:
    """Every gate's verdict, in the place of earlier ones, and what they make of the candidate."""
    connection.execute(delete(verdicts).where(verdicts.c.candidate == entry.id))
    said = [
        {"candidate": entry.id, "position": i, **vars(verdict)}
        for i, verdict in enumerate(gated.verdicts)
    ]
    if said:
        connection.execute(insert(verdicts), said)
    values: dict[str, Any] = {"gating": seconds, "protection": json.dumps(gated.protection)}
    if gated.failed is None and gated.graph is not None:
        values |= _passed(gated, replace(gated.graph, name=entry.name))
    else:
        values |= {"outcome": "refused", "reason": _why(gated.failed), "ended": now(connection)}
    change(connection, entry, values)


def _passed(gated: Gated, graph: RuleGraph) -> dict[str, Any]:
    """What is known of a rule that passed every gate."""
    return {
        "graph": json.dumps(graph.to_json()),
        "hash": graph.rule_hash,
        "behaviour": gated.behaviour,
        "cost": gated.cost if math.isfinite(gated.cost) else None,
    }


def _why(refused: Verdict | None) -> str:
    return f"{refused.gate}: {refused.reason}" if refused else "the gates were not passed"


def change(connection: Connection, entry: Entry, values: Mapping[str, Any]) -> None:
    connection.execute(update(candidates).where(candidates.c.id == entry.id).values(values))
