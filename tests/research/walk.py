"""A search without training: scores are drawn at random, everything else is real."""

import math
from random import Random

from archer.mad.settings import TASKS
from archer.research.archive import choose
from archer.research.evolution.tracing import traced
from archer.research.proposal import Candidate, History, Proposal, Proposer, Score
from archer.rules.graph import RuleGraph, rule_from_json
from archer.rules.load import BUILTIN, builtin_graph


def score(mean: float, half: float = math.nan, seeds: int = 1) -> Score:
    return Score(mean, mean - half, mean + half, seeds)


def drawn(rng: Random) -> dict[str, Score]:
    return {task: score(rng.random()) for task in TASKS}


def built_in(stage: str = "", rng: Random | None = None) -> list[Candidate]:
    """The eight built-in rules, with scores if a generator of random numbers is given."""
    return [
        Candidate(
            name,
            name,
            "",
            builtin_graph(name),
            outcome="promoted",
            stage=stage,
            scores=drawn(rng) if rng else {},
            cost=1.0,
        )
        for name in BUILTIN
    ]


def history(candidates: list[Candidate], *parents: str, number: int = 0, seed: int = 0) -> History:
    by_id = {candidate.id: candidate for candidate in candidates}
    chosen = tuple(by_id[parent] for parent in parents)
    return History(tuple(candidates), chosen, TASKS, number, seed)


def trained(
    proposal: Proposal, id: str, scores: dict[str, Score], stage: str = "quick"
) -> Candidate:
    """A proposal that was gated and trained; its graph has been through JSON, as in the store."""
    graph = rule_from_json(traced(proposal.source).to_json())
    return Candidate(
        id,
        proposal.name,
        proposal.source,
        graph,
        proposal.parents,
        proposal,
        "weeded",
        stage=stage,
        scores=scores,
        cost=1.5,
    )


def walk(proposer: Proposer, count: int, seed: int = 0) -> list[tuple[Proposal, RuleGraph]]:
    """So many proposals, each a child of what the archive chose from those before."""
    rng = Random(seed)
    candidates = built_in("quick", rng)
    found = []
    for number in range(count):
        parents = choose(candidates, seed, number)
        proposal = proposer.ask(History(tuple(candidates), parents, TASKS, number, seed))
        candidates.append(trained(proposal, f"c{number}", drawn(rng)))
        found.append((proposal, candidates[-1].graph))
    return found
