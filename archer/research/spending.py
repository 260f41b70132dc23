"""What an arm of the search has spent, and whether it may go on."""

from collections.abc import Sequence
from dataclasses import dataclass

from archer.research.entries import Entry
from archer.research.settings import Budget

FRUITLESS = 5  # proposals in a row that came to nothing: the proposer is broken, not unlucky


@dataclass(frozen=True)
class Spending:
    """Sums over proposals: how many, seconds of work, of them on a GPU, dollars, tokens."""

    candidates: int
    seconds: float
    gpu_seconds: float
    dollars: float
    tokens: int

    @staticmethod
    def of(entries: Sequence[Entry], device: str) -> "Spending":
        training = sum(entry.training for entry in entries)
        spent = [entry.proposal.spent for entry in entries]
        return Spending(
            len(entries),
            training + sum(entry.asking + entry.gating for entry in entries),
            training if device != "cpu" else 0.0,
            sum(each.dollars for each in spent),
            sum(each.input_tokens + each.output_tokens for each in spent),
        )


def spent(entries: Sequence[Entry], budget: Budget, device: str) -> str:
    """Why no more proposals are asked for, or "" while there is budget left."""
    so_far = Spending.of(entries, device)
    limits = (
        ("candidates", so_far.candidates, budget.candidates),
        ("hours", so_far.seconds / 3600, budget.hours),
        ("GPU hours", so_far.gpu_seconds / 3600, budget.gpu_hours),
        ("dollars", so_far.dollars, budget.dollars),
    )
    for name, value, limit in limits:
        if limit is not None and value >= limit:
            return f"the budget of {limit:g} {name} is spent"
    last = entries[-FRUITLESS:]
    if len(last) == FRUITLESS and not any(entry.source for entry in last):
        return f"{FRUITLESS} proposals in a row came to nothing, the last: {last[-1].reason}"
    return ""
