"""What holds a parent back: the task on which most is missing to the best rule so far."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from archer.research.proposal import Candidate


@dataclass(frozen=True)
class Bottleneck:
    """The task, by how much the parent lags on it, and that in words. task "" if not known."""

    task: str
    lag: float
    text: str


def bottleneck(
    parent: Candidate, candidates: Sequence[Candidate], tasks: Sequence[str]
) -> Bottleneck:
    """The task with the largest distance to the best score on the parent's stage."""
    rivals = [c for c in candidates if c.stage == parent.stage and c.scores]
    worst = Bottleneck("", 0.0, "")
    for task in tasks:
        own = parent.scores.get(task)
        best = max(rivals, key=lambda c: _mean(c, task), default=None)
        if own is None or best is None or math.isnan(own.mean):
            continue
        lag = _mean(best, task) - own.mean
        if lag > worst.lag:
            where = f" ({parent.stage})" if parent.stage else ""
            text = f"{task}: {own.mean:.2f} for {parent.name}, {_mean(best, task):.2f} for"
            worst = Bottleneck(task, lag, f"{text} {best.name}{where}")
    return worst


def _mean(candidate: Candidate, task: str) -> float:
    score = candidate.scores.get(task)
    return -math.inf if score is None or math.isnan(score.mean) else score.mean
