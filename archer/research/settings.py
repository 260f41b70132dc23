"""What a session of the loop was asked to do: stored with it, so that `resume` needs no options."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from archer.errors import ArcherError
from archer.research.stages import STAGES

PROPOSERS = ("evolution", "llm", "manual")
MOST_BATCH = 64


@dataclass(frozen=True)
class Budget:
    """What each arm may spend; None, or infinity, is without limit. Checked before every proposal.

    candidates: proposals asked for, refused ones and those that came to nothing included. hours:
    of asking, gating and training of the arm's candidates. gpu_hours: of their training on a GPU.
    dollars: for a language model.
    """

    candidates: int
    hours: float | None = None
    gpu_hours: float | None = None
    dollars: float | None = None

    def __post_init__(self) -> None:
        if self.candidates < 1:
            raise ArcherError(f"--budget {self.candidates}: at least one candidate is needed")
        for name in ("hours", "gpu_hours", "dollars"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ArcherError(f"--{name.replace('_', '-')} {value:g}: it must be above zero")
            if value == math.inf:  # JSON has no word for it
                object.__setattr__(self, name, None)


@dataclass(frozen=True)
class Settings:
    """Everything that determines a session.

    seeds: per candidate while searching, from 0. claim_seeds: further seeds on which promoted
    rules are compared at the end. batch: candidates of one generation. seed: of the proposers'
    random choices. options: of the proposer, plain values, never a key.
    """

    budget: Budget
    proposer: str = "evolution"
    preset: str = "quick"
    seeds: int = 1
    claim_seeds: int = 5
    batch: int = 2
    control: bool = False
    seed: int = 0
    device: str = "cpu"
    precision: str = "fp32"
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.proposer not in PROPOSERS:
            raise ArcherError(f"unknown proposer {self.proposer!r}: use {', '.join(PROPOSERS)}")
        if self.preset not in STAGES:
            raise ArcherError(f"unknown preset {self.preset!r}: the stages are {', '.join(STAGES)}")
        if self.seeds < 1:
            raise ArcherError(f"--seeds {self.seeds}: at least one seed is needed")
        if self.claim_seeds != 0 and self.claim_seeds < 3:
            raise ArcherError(
                f"--claim-seeds {self.claim_seeds}: three seeds at least can tell anything; "
                "0 compares nothing"
            )
        if not 1 <= self.batch <= MOST_BATCH:
            raise ArcherError(f"--batch {self.batch}: from 1 to {MOST_BATCH}")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Settings":
        return Settings(**{**data, "budget": Budget(**data["budget"])})
