"""What a proposer gives and what it is given: the contract between proposers and the loop."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from archer.rules.graph import RuleGraph


@dataclass(frozen=True)
class Spent:
    """What one proposal cost: seconds of wall clock, tokens and money of a language model."""

    seconds: float = 0.0
    input_tokens: int = 0
    output_tokens: int = 0
    dollars: float = 0.0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            self.seconds + other.seconds,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.dollars + other.dollars,
        )


@dataclass(frozen=True)
class Proposal:
    """A new rule with its reasons.

    name: snake_case, the rule class's own. source: the text of a rule file. knobs: values by knob
    name where they differ from the defaults. expected: change of the score per task (accuracy, -1
    to 1) against the first parent. parents: ids of candidates, or names of built-in rules.
    dialogue: prompts and answers, as plain data.
    """

    name: str
    motivation: str
    bottleneck: str
    source: str
    expected: Mapping[str, float]
    parents: tuple[str, ...]
    knobs: Mapping[str, float] = field(default_factory=dict)
    proposer: str = ""
    spent: Spent = Spent()
    dialogue: tuple[Mapping[str, object], ...] = ()


@dataclass(frozen=True)
class Score:
    """A task's score: mean over seeds and a 95 % interval (NaN with one seed)."""

    mean: float
    low: float
    high: float
    seeds: int


# waiting: not yet gated, or for its next stage. refused: by a gate. failed: training broke. weeded:
# it does not train, or not above a stage's bar. trains: it does, where smoke is the last stage.
# promoted: passed the bar of the last stage it was tested on.
Outcome = Literal["waiting", "refused", "failed", "weeded", "trains", "promoted"]


@dataclass(frozen=True)
class Candidate:
    """A proposal and what became of it. Built-in rules are candidates without a proposal.

    stage: last preset it was tested on. scores: validation scores on it by task; test scores are
    never in here. reason: why it was refused, failed or weeded. cost: time per token relative to
    delta.
    """

    id: str
    name: str
    source: str
    graph: RuleGraph | None
    parents: tuple[str, ...] = ()
    proposal: Proposal | None = None
    outcome: Outcome = "waiting"
    reason: str = ""
    stage: str = ""
    scores: Mapping[str, Score] = field(default_factory=dict)
    cost: float = float("nan")


@dataclass(frozen=True)
class History:
    """What a proposer may know: every candidate so far, the chosen parents, the tasks.

    parents: the first is the one to improve on; a second may be mixed in. number: how many were
    asked before, which with seed determines any random choice.
    """

    candidates: tuple[Candidate, ...]
    parents: tuple[Candidate, ...]
    tasks: tuple[str, ...]
    number: int
    seed: int = 0


class Proposer(ABC):
    """Proposes one rule at a time.

    reads_scores: whether it looks at them; else it is asked before the baselines are trained.
    Raises ProposalError when it has nothing to offer this time; the loop records the reason and
    what was spent, and goes on.
    """

    name: str
    reads_scores = True

    @abstractmethod
    def ask(self, history: History) -> Proposal:
        """The next proposal. With equal history a proposer without a model gives an equal one."""


class ProposalError(Exception):
    """No proposal came of it, in one line; `spent` and `dialogue` of the attempts."""

    def __init__(
        self, message: str, spent: Spent | None = None, dialogue: tuple[object, ...] = ()
    ) -> None:
        super().__init__(message)
        self.spent, self.dialogue = spent or Spent(), dialogue
