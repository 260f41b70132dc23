"""The name of the change a proposal makes, for counting what worked."""

from archer.research.entries import Entry
from archer.research.evolution.effects import mutations_of
from archer.research.proposal import Candidate


def kind(entry: Entry) -> str:
    """Names of the mutations that made it, or else of the proposer."""
    candidate = Candidate(entry.id, entry.name, entry.source, entry.graph, proposal=entry.proposal)
    return " + ".join(mutations_of(candidate)) or entry.proposal.proposer or "unknown"
