"""Candidates and sessions as rows of the store, and back."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from typing import Any, Literal, cast, get_args

from archer.errors import ArcherError
from archer.research.proposal import Outcome, Proposal, Spent
from archer.research.settings import Settings
from archer.research.stages import STAGES, next_step
from archer.rules.graph import RuleGraph, rule_from_json

Arm = Literal["search", "control"]
ARMS: tuple[Arm, ...] = ("search", "control")


@dataclass(frozen=True)
class Session:
    """One `archer research`, as the store has it.

    costs: of built-in rules relative to delta. reached: the most a language model can have cost.
    ended: seconds since 1970, None while open; why it did.
    """

    id: int
    settings: Settings
    environment: Mapping[str, Any]
    costs: Mapping[str, float]
    reached: Spent
    started: float
    ended: float | None
    why: str


@dataclass(frozen=True)
class Entry:
    """One proposal asked for and all that is known of it.

    name: the rule's, made unique in the store. asking, gating, training: seconds it cost.
    """

    id: str
    session: int
    arm: Arm
    number: int
    name: str
    source: str
    proposal: Proposal
    graph: RuleGraph | None
    hash: str
    behaviour: str
    protection: tuple[str, ...]
    cost: float
    outcome: Outcome
    reason: str
    stage: str
    asking: float
    gating: float
    training: float
    asked: float
    ended: float | None

    @property
    def parent(self) -> str:
        """Id of the candidate, or name of the built-in rule, that it was to improve on."""
        return self.proposal.parents[0] if self.proposal.parents else "delta"

    @cached_property
    def knobs(self) -> dict[str, float]:
        return dict(self.proposal.knobs)

    def next_step(self, preset: str) -> str | None:
        return next_step(self.outcome, self.graph is not None, self.stage, preset)


def the_entry(id: str, entries: Sequence[Entry], where: str) -> Entry:
    """The candidate whose id begins so, or of that name. Raises ArcherError."""
    found = [e for e in entries if e.name == id or (id and e.id.startswith(id))]
    if len(found) != 1:
        what = "no candidate" if not found else f"{len(found)} candidates"
        raise ArcherError(f"{what} {id!r} in {where}; `archer research tree` lists")
    return found[0]


def candidate_id(session: int, arm: Arm, number: int) -> str:
    """A short hash of where it stands."""
    return hashlib.sha256(f"{session}/{arm}/{number}".encode()).hexdigest()[:8]


def proposal_json(proposal: Proposal) -> str:
    """Everything but the source and the dialogue, which have places of their own."""
    data = asdict(proposal)
    del data["source"], data["dialogue"]
    return json.dumps(data)


def session_of(row: Mapping[str, Any]) -> Session:
    return Session(
        row["id"],
        Settings.from_json(json.loads(row["settings"])),
        dict(json.loads(row["environment"])),
        {name: float(cost) for name, cost in json.loads(row["costs"]).items()},
        Spent(**json.loads(row["reached"])),
        row["started"],
        row["ended"],
        row["why"],
    )


def entry_of(row: Mapping[str, Any]) -> Entry:
    """The entry of a row; its graph is validated again."""
    for name, known in (("arm", ARMS), ("outcome", get_args(Outcome)), ("stage", ("", *STAGES))):
        if row[name] not in known:
            raise ValueError(f"its {name} is {row[name]!r}")
    fields = dict(row)
    data = json.loads(fields.pop("proposal"))
    graph = fields.pop("graph")
    return Entry(
        **{
            **fields,
            "arm": cast(Arm, row["arm"]),
            "outcome": cast(Outcome, row["outcome"]),
            "proposal": Proposal(
                **{
                    **data,
                    "source": row["source"],
                    "parents": tuple(data["parents"]),
                    "spent": Spent(**data["spent"]),
                    "dialogue": (),
                }
            ),
            "graph": None if graph is None else _graph(graph),
            "protection": tuple(json.loads(row["protection"])),
            "cost": math.nan if row["cost"] is None else row["cost"],
        }
    )


@lru_cache(maxsize=1024)
def _graph(text: str) -> RuleGraph:
    """Validated, which takes a while."""
    return rule_from_json(json.loads(text))
