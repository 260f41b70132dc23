"""What mutations have done so far, and what they are therefore expected to do next."""

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from archer.research.proposal import Candidate, Score

OWN = ("evolution", "random")  # proposers whose sources this package wrote
PRIOR_WEIGHT = 3.0  # how many measurements a prior is worth


@dataclass
class Effect:
    """Of one mutation: how often it was tried and won, and each measured change by task.

    A try wins if the mean over tasks rose against the parent; refused and failed rules lose.
    """

    tried: int = 0
    wins: int = 0
    changes: dict[str, list[float]] = field(default_factory=dict)

    @property
    def success(self) -> float:
        """Share of wins, one half before anything is known."""
        return (self.wins + 1) / (self.tried + 2)


def docstring_of(candidate: Candidate) -> str:
    """The docstring of a source that evolution wrote; "" for any other."""
    if candidate.proposal is None or candidate.proposal.proposer not in OWN:
        return ""
    try:
        return ast.get_docstring(ast.parse(candidate.source)) or ""
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""


def mutations_of(candidate: Candidate) -> tuple[str, ...]:
    """Names of the mutations that made a candidate, out of its own docstring."""
    text = " ".join(docstring_of(candidate).split())
    found = re.search(r"Made from [^.]* by ([a-z_]+(?:, [a-z_]+)*)\.", text)
    return tuple(found[1].split(", ")) if found else ()


def measured(candidates: Sequence[Candidate]) -> dict[str, Effect]:
    """Effects by mutation. Changes count only where a single mutation was made."""
    effects: dict[str, Effect] = {}
    scored = {(c.id, c.stage): c.scores for c in candidates if c.scores}
    for candidate in candidates:
        change = _change(candidate, scored)
        if change is None and candidate.outcome not in ("refused", "failed"):
            continue
        names = mutations_of(candidate)
        won = change is not None and sum(change.values()) > 0
        for name in names:
            effect = effects.setdefault(name, Effect())
            effect.tried += 1
            effect.wins += won
            if len(names) == 1:
                for task, value in (change or {}).items():
                    effect.changes.setdefault(task, []).append(value)
    return effects


def _change(
    candidate: Candidate, scored: Mapping[tuple[str, str], Mapping[str, Score]]
) -> dict[str, float] | None:
    """Change per task against the first parent on the same stage, if both have scores there."""
    parent = scored.get((candidate.parents[0], candidate.stage)) if candidate.parents else None
    if not candidate.scores or not parent:
        return None
    pairs = {t: (s.mean, parent[t].mean) for t, s in candidate.scores.items() if t in parent}
    return {task: a - b for task, (a, b) in pairs.items() if a == a and b == b} or None


def shrunk(prior: float, changes: Sequence[float]) -> float:
    """Mean of the measured changes, shrunk to the prior."""
    return (PRIOR_WEIGHT * prior + sum(changes)) / (PRIOR_WEIGHT + len(changes))


def expected(
    made_by: Sequence[tuple[str, Mapping[str, float]]],
    effects: Mapping[str, Effect],
    parent: Candidate,
    tasks: Sequence[str],
    unchanged: Sequence[str] = (),
) -> dict[str, float]:
    """Expected change per task against the parent.

    made_by: the mutations' names and priors; their effects are taken to add up. Nothing can rise
    above 1 or fall below 0, and nothing changes on `unchanged` tasks.
    """
    result = {}
    for task in tasks:
        change = 0.0
        for name, prior in made_by:
            found = effects.get(name, Effect()).changes.get(task, [])
            change += shrunk(prior.get(task, 0.0), found)
        score = parent.scores.get(task)
        if score is not None and score.mean == score.mean:
            change = min(max(change, -score.mean), 1 - score.mean)
        result[task] = 0.0 if task in unchanged else round(min(max(change, -1.0), 1.0), 4)
    return result
