"""A state of the search, answers to it, and a proposer at a server that plays the model."""

import inspect
import math
from typing import Any

from model_server import ModelServer

from archer.mad.settings import TASKS
from archer.research.llm import Budget, Endpoint, LLMProposer, Patience
from archer.research.llm.terms import Terms
from archer.research.proposal import Candidate, History, Proposal, Score
from archer.rules.load import builtin_graph, load_rule

EAGER = Patience(request=60.0, total=120.0, attempts=3, pause=0.01, longest_pause=1.5)

SLOW = '''"""Slow momentum: a leaky filter on what is written.

    m_n = mu * m_{n-1} + dS_n        (1)
    S_n = S_{n-1} + rate * m_n       (2)
"""

from archer import Knob, Rule


class SlowMomentum(Rule):
    mu = Knob(0.5, low=0.0, high=0.95)
    rate = Knob(0.5, low=0.0, high=1.0)
    slots = ("m",)

    def write(self, S, dS, slots, p):
        m = p.mu * slots.m + dS  # Eq. (1)
        return S + p.rate * m, {"m": m}  # Eq. (2)
'''

AHEAD = '''"""Column norm: weights divided by what all queries give a key."""

import torch

from archer import Rule


class SlowMomentum(Rule):
    def local(self, scores, p):
        return scores / (1.0 + torch.sum(scores * scores, dim=0, keepdim=True))
'''


def answer(**changes: Any) -> dict[str, Any]:
    """What a good model would answer."""
    good = {
        "name": "slow_momentum",
        "motivation": "A filter on writes keeps noise out.",
        "bottleneck": "delta writes noise as it writes signal.",
        "source": SLOW,
        "knobs": {"mu": 0.6},
        "expected": dict.fromkeys(TASKS, 0.0) | {"noisy-in-context-recall": 0.03},
    }
    return good | changes


def built_in(name: str, level: float) -> Candidate:
    """A built-in rule, scored alike on every task, with an interval from three seeds."""
    return Candidate(
        id=name,
        name=name,
        source=inspect.getsource(inspect.getmodule(load_rule(name)) or load_rule(name)),
        graph=builtin_graph(name),
        outcome="promoted",
        stage="quick",
        scores={task: Score(level, level - 0.02, level + 0.02, 3) for task in TASKS},
        cost=1.0,
    )


def candidate(name: str, outcome: Any, reason: str, level: float | None = None) -> Candidate:
    """A proposal of before and what became of it; one seed."""
    expected = dict.fromkeys(TASKS, 0.1)
    proposal = Proposal(name, f"Idea of {name}.", "", SLOW, expected, ("delta",))
    score = None if level is None else Score(level, math.nan, math.nan, 1)
    return Candidate(
        id=f"id-{name}",
        name=name,
        source=SLOW,
        graph=None,
        parents=("delta",),
        proposal=proposal,
        outcome=outcome,
        reason=reason,
        stage="quick" if score else "",
        scores=dict.fromkeys(TASKS, score) if score else {},
    )


def history(*more: Candidate, tasks: tuple[str, ...] = TASKS) -> History:
    """Two built-in rules, the first of them the parent, and what is given."""
    known = (built_in("delta", 0.60), built_in("gated_delta", 0.65), *more)
    return History(known, known[:1], tasks, number=len(more))


def proposer(server: ModelServer, **options: Any) -> LLMProposer:
    """A proposer that asks this server, with little patience."""
    terms = Terms(**options.pop("terms", {}))
    key_env = options.pop("key_env", "")
    options.setdefault("patience", EAGER)
    options.setdefault("budget", Budget())
    endpoint = Endpoint("played", server.base_url, key_env)
    return LLMProposer(endpoint, terms=terms, **options)
