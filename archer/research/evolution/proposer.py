"""The evolution proposer: a parent, a mutation or a second parent, and the reasons for both."""

import time
from collections.abc import Mapping, Sequence
from random import Random

from archer.mad.presets import PRESETS, preset
from archer.research.evolution import children
from archer.research.evolution.bottleneck import bottleneck
from archer.research.evolution.children import Child, genome_of_candidate
from archer.research.evolution.effects import Effect, measured
from archer.research.evolution.genome import Genome
from archer.research.evolution.mutations import Mutation
from archer.research.evolution.offer import delta, known_graphs, propose
from archer.research.proposal import Candidate, History, Proposal, ProposalError, Proposer, Spent


class Evolution(Proposer):
    """Mutates the first parent or crosses it with the second, by what has worked before.

    Mutations that won more often, and those that promise something on the parent's weakest task,
    are drawn more often. Equal histories give equal proposals.
    """

    name = "evolution"

    def __init__(
        self, attempts: int = 60, crossover: float = 0.25, second_mutation: float = 0.25
    ) -> None:
        self.attempts, self.crossover, self.second_mutation = attempts, crossover, second_mutation

    def ask(self, history: History) -> Proposal:
        """A child whose graph and behaviour nobody in the history has. Raises ProposalError."""
        began = time.perf_counter()
        rng = Random(f"{self.name}/{history.seed}/{history.number}")
        effects = measured(history.candidates)
        parents = history.parents or (delta(history),)
        known = known_graphs(history)
        line = (*parents, *ancestors(parents[0], history))
        for attempt in range(self.attempts):
            # a parent that cannot carry one more change makes way for the next in line
            start = attempt * len(line) // self.attempts
            child = self.child(line[start : start + 2], rng, history, effects)
            found = propose(child, history, known, effects, self.name) if child else None
            if found:
                return found
        spent = Spent(time.perf_counter() - began)
        names = " and ".join(parent.name for parent in parents)
        message = f"{self.attempts} attempts at a child of {names}, none of them new and valid"
        raise ProposalError(message, spent)

    def child(
        self,
        parents: Sequence[Candidate],
        rng: Random,
        history: History,
        effects: Mapping[str, Effect],
    ) -> Child | None:
        """One attempt."""
        weakest = bottleneck(parents[0], history.candidates, history.tasks)
        genomes = [genome_of_candidate(parent) for parent in parents[:2]]
        if len(parents) > 1 and rng.random() < self.crossover:
            return crossing(parents[:2], genomes, rng)

        def weigh(mutation: Mutation) -> float:
            if mutation.name == "resize_chunk" and chunk_is_given(history.candidates):
                return 0.0
            promise = max(0.0, mutation.expected.get(weakest.task, 0.0))
            success = effects.get(mutation.name, Effect()).success
            return mutation.weight * success * (1 + 5 * promise)

        if genomes[0] is None:
            return children.grafted(parents[0], rng, weigh)
        times = 2 if rng.random() < self.second_mutation else 1
        return children.mutated(parents[0], genomes[0], rng, times, weigh)


def ancestors(candidate: Candidate, history: History) -> list[Candidate]:
    """The candidate's parents, their parents and so on, each once, nearest first."""
    by_id = {c.id: c for c in history.candidates}
    found: list[Candidate] = []
    waiting = list(candidate.parents)
    while waiting:
        parent = by_id.get(waiting.pop(0))
        if parent and parent.graph is not None and all(parent.id != each.id for each in found):
            found.append(parent)
            waiting += parent.parents
    return found[:4]


def crossing(
    parents: Sequence[Candidate], genomes: Sequence[Genome | None], rng: Random
) -> Child | None:
    """Parts of both parents, or the two mixed as they are."""
    first, second = genomes
    if first and second and rng.random() < 0.7:
        return children.crossed(parents, (first, second), rng)
    return children.mixed(parents)


def chunk_is_given(candidates: Sequence[Candidate]) -> bool:
    """Whether the presets in use replace every rule's chunk size, so that another changes nothing.

    Also where nothing was trained yet.
    """
    stages = {c.stage for c in candidates if c.stage in PRESETS}
    return all(preset(stage).chunk_size is not None for stage in stages)
