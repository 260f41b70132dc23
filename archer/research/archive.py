"""The archive of parents: the best rule of each niche, not only the best on average.

A niche is a task profile (the tasks, at most two, on which a rule is better than `delta` beyond
noise) at a class of cost. Everything is derived from the candidates, so that it can be built again
from the store at any time (MAP-Elites, Mouret & Clune 2015, arXiv 1504.04909).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from archer.mad.presets import PRESETS
from archer.research.proposal import Candidate, Score

MARGIN = 0.02  # a change smaller than this is not called one where there is a single seed
PROFILE = 2  # tasks in a profile
COSTS = ((1.5, "cheap"), (3.0, "moderate"), (math.inf, "dear"))
FEWEST = 4  # candidates with scores that a stage needs before only they compete
RECENT = 5  # a niche whose best is among the last so many candidates was improved recently


@dataclass(frozen=True, order=True)
class Niche:
    """tasks: the profile, most improved first; () where nothing is improved. cost: its class."""

    tasks: tuple[str, ...]
    cost: str

    def __str__(self) -> str:
        return f"{' and '.join(self.tasks) or 'no task improved'}, {self.cost}"


@dataclass(frozen=True)
class Elite:
    """The best candidate of a niche: its mean score, and how many children it has."""

    niche: Niche
    candidate: Candidate
    mean: float
    children: int


def choose(candidates: Sequence[Candidate], seed: int, number: int) -> tuple[Candidate, ...]:
    """Two parents, from two niches if there are; the same for the same arguments.

    A niche is drawn more often the fewer children its best has, the more recently it was improved
    and the better it is. Before anything is scored the parents are built-in rules. The result is
    () only if there is no candidate to choose.
    """
    rng = Random(f"archive/{seed}/{number}")
    elites = archive(candidates)
    if not elites:
        untried = [c for c in candidates if c.proposal is None]
        return tuple(rng.sample(untried, min(2, len(untried))))
    last = {c.id for c in candidates[-RECENT:] if c.proposal is not None}
    weights = [_weight(elite, elites, last) for elite in elites]
    first = rng.choices(elites, weights)[0]
    rest = [(e, w) for e, w in zip(elites, weights, strict=True) if e is not first]
    if not rest:
        return (first.candidate,)
    second = rng.choices([e for e, _ in rest], [w for _, w in rest])[0]
    return first.candidate, second.candidate


def archive(candidates: Sequence[Candidate]) -> tuple[Elite, ...]:
    """The best candidate of every niche, best first."""
    competing = compete(candidates)
    if not competing:
        return ()
    tasks = _common_tasks(competing)
    reference = _reference(competing, tasks)
    children = _children(candidates)
    best: dict[Niche, Elite] = {}
    for candidate in competing:
        niche = Niche(profile(candidate.scores, reference), cost_class(candidate.cost))
        mean = sum(candidate.scores[task].mean for task in tasks) / len(tasks)
        elite = Elite(niche, candidate, mean, children.get(candidate.id, 0))
        best[niche] = min(best.get(niche, elite), elite, key=_order)
    return tuple(sorted(best.values(), key=lambda elite: (-elite.mean, elite.niche)))


def _order(elite: Elite) -> tuple[float, str]:
    """The better first; equal ones by their ids, so that the order of candidates plays no part."""
    return -elite.mean, elite.candidate.id


def compete(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Candidates with a graph and scores on the highest stage that enough of them have reached.

    The latest entry counts for a candidate that is there more than once. Refused and failed ones,
    and those without a score on some task, do not compete.
    """
    fit = {
        (c.id, c.stage): c
        for c in candidates
        if c.scores and c.graph is not None and c.outcome not in ("refused", "failed")
    }
    stages = [*PRESETS, *sorted({c.stage for c in fit.values()} - set(PRESETS))]
    groups = {stage: [c for c in fit.values() if c.stage == stage] for stage in stages}
    for stage in reversed(stages):
        if len(_complete(groups[stage])) >= FEWEST:
            return _complete(groups[stage])
    return _complete(max(groups.values(), key=len, default=[]))


def _complete(group: Sequence[Candidate]) -> list[Candidate]:
    """Those with a score on every task that any of them has."""
    tasks = {task for candidate in group for task in candidate.scores}
    return [
        c for c in group if all(t in c.scores and not math.isnan(c.scores[t].mean) for t in tasks)
    ]


def _common_tasks(competing: Sequence[Candidate]) -> list[str]:
    return sorted(competing[0].scores)


def _reference(competing: Sequence[Candidate], tasks: Sequence[str]) -> Mapping[str, Score]:
    """Scores of `delta`; where it is not among them, of the median candidate on each task."""
    for candidate in competing:
        if candidate.proposal is None and candidate.name == "delta":
            return candidate.scores
    middle = {}
    for task in tasks:
        ranked = sorted((c.scores[task] for c in competing), key=lambda score: score.mean)
        middle[task] = ranked[len(ranked) // 2]
    return middle


def profile(scores: Mapping[str, Score], reference: Mapping[str, Score]) -> tuple[str, ...]:
    """The tasks that are improved beyond noise, at most two, the most improved first."""
    gains = {
        task: score.mean - reference[task].mean
        for task, score in scores.items()
        if task in reference and is_better(score, reference[task])
    }
    return tuple(sorted(gains, key=lambda task: (-gains[task], task))[:PROFILE])


def is_better(score: Score, than: Score) -> bool:
    """Whether one score is above another beyond noise.

    With intervals: the difference exceeds both half-widths taken together as independent errors.
    With a single seed there is none, and it must exceed MARGIN.
    """
    noise = [s.mean - s.low for s in (score, than) if s.seeds > 1 and not math.isnan(s.low)]
    needed = math.hypot(*noise) if len(noise) == 2 else MARGIN
    return score.mean - than.mean > max(needed, 0.0)


def cost_class(cost: float) -> str:
    """The class of a cost relative to delta; "unknown" if it was not measured."""
    if math.isnan(cost):
        return "unknown"
    return next(name for most, name in COSTS if cost <= most)


def _children(candidates: Sequence[Candidate]) -> dict[str, int]:
    """How many candidates have each parent."""
    counts: dict[str, int] = {}
    for candidate in {c.id: c for c in candidates}.values():
        for parent in candidate.parents:
            counts[parent] = counts.get(parent, 0) + 1
    return counts


def _weight(elite: Elite, elites: Sequence[Elite], last: set[str]) -> float:
    """Fewer children, a recent improvement and a better rank weigh more."""
    rank = elites.index(elite) / len(elites)
    recent = 2.0 if elite.candidate.id in last else 1.0
    return recent * (1.5 - rank) / (1.0 + elite.children)
