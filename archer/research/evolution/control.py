"""The random control: rules from the same space as evolution's, with nothing learned."""

from random import Random

from archer.research.evolution import children
from archer.research.evolution.known import BUILTIN_GENOMES
from archer.research.evolution.mutations import Mutation
from archer.research.evolution.offer import delta, known_graphs, propose
from archer.research.evolution.proposer import chunk_is_given
from archer.research.proposal import History, Proposal, ProposalError, Proposer

MOST_MUTATIONS = 4


class RandomControl(Proposer):
    """One to four random mutations of `delta`, all equally likely.

    Parents, scores and what worked before play no part: the best of N of these is what a search
    must beat. As for evolution, no rule is proposed twice.
    """

    name = "random"

    def __init__(self, attempts: int = 60) -> None:
        self.attempts = attempts

    def ask(self, history: History) -> Proposal:
        """A random rule that is not in the history yet. Raises ProposalError."""
        rng = Random(f"{self.name}/{history.seed}/{history.number}")
        parent, known = delta(history), known_graphs(history)
        given = chunk_is_given(history.candidates)

        def weigh(mutation: Mutation) -> float:
            return 0.0 if mutation.name == "resize_chunk" and given else 1.0

        for _ in range(self.attempts):
            times = rng.randint(1, MOST_MUTATIONS)
            child = children.mutated(parent, BUILTIN_GENOMES["delta"], rng, times, weigh)
            found = propose(child, history, known, {}, self.name) if child else None
            if found:
                return found
        raise ProposalError(f"{self.attempts} random rules, none of them new and valid")
