"""Scores of the search so far, as lines of text with the most relevant first."""

import math

from archer.research.archive import archive
from archer.research.proposal import Candidate, History, Score
from archer.research.stages import BASELINES, STAGES


def result_tables(history: History) -> dict[str, list[str]]:
    """Rows of a Markdown table per stage, highest stage first: parents, baselines, then by mean.

    The head is part of the first row, so that it is never left out alone. Presets are not
    comparable with each other, hence a table each.
    """
    tables = {}
    for stage in _stages(history):
        tested = [c for c in history.candidates if c.stage == stage and c.scores]
        ordered = sorted(tested, key=lambda candidate: _relevance(candidate, history))
        rows = [_row(candidate, history.tasks) for candidate in ordered]
        rows[0] = f"{_head(history.tasks)}\n{rows[0]}"
        tables[stage] = rows
    return tables


def best_per_task(history: History) -> list[str]:
    """For each task the best rule at the highest stage reached."""
    stage = next(iter(_stages(history)), None)
    tested = [c for c in history.candidates if c.stage == stage]
    lines = []
    for task in history.tasks:
        scored = [c for c in tested if task in c.scores and math.isfinite(c.scores[task].mean)]
        if scored:
            best = max(scored, key=lambda candidate: candidate.scores[task].mean)
            lines.append(f"- {task}: {best.name}, {_score(best.scores[task])}")
    return lines


def niches(history: History) -> list[str]:
    """The archive: the best rule of each niche, with its mean and how often it was varied."""
    return [
        f"- {elite.niche}: {elite.candidate.name}, mean {_number(elite.mean)}, "
        f"{elite.children} children"
        for elite in archive(history.candidates)
    ]


def forecasts(history: History) -> list[str]:
    """Expected and measured change of every proposal tested on its parent's stage, newest first."""
    known = {c.id: c for c in history.candidates} | {c.name: c for c in history.candidates}
    lines = []
    for candidate in reversed(history.candidates):
        parent = known.get(candidate.parents[0]) if candidate.parents else None
        if not candidate.proposal or parent is None or parent.stage != candidate.stage:
            continue
        expected = candidate.proposal.expected
        measured = {task: _change(candidate, parent, task) for task in history.tasks}
        changes = [
            f"{task} {expected[task]:+.2f} -> {change:+.2f}"
            for task, change in measured.items()
            if task in expected and math.isfinite(change)
        ]
        if changes:
            lines.append(f"- {candidate.name} against {parent.name}: {', '.join(changes)}")
    return lines


def mean(candidate: Candidate, tasks: tuple[str, ...]) -> float:
    """Plain mean over the tasks; NaN if one has no score."""
    scores = [candidate.scores[task].mean for task in tasks if task in candidate.scores]
    return sum(scores) / len(scores) if len(scores) == len(tasks) else math.nan


def _stages(history: History) -> list[str]:
    """Stages with scores, highest first."""
    found = dict.fromkeys(c.stage for c in history.candidates if c.stage and c.scores)
    rank = {stage: place for place, stage in enumerate(STAGES)}
    return sorted(found, key=lambda stage: -rank.get(stage, -1))


def _relevance(candidate: Candidate, history: History) -> tuple[bool, bool, float]:
    average = mean(candidate, history.tasks)
    parents = {parent.id for parent in history.parents}
    low = -average if math.isfinite(average) else math.inf
    return candidate.id not in parents, candidate.name not in BASELINES, low


def _change(candidate: Candidate, parent: Candidate, task: str) -> float:
    """Measured change on a task; NaN if one of them has no score."""
    both = task in candidate.scores and task in parent.scores
    return candidate.scores[task].mean - parent.scores[task].mean if both else math.nan


def _head(tasks: tuple[str, ...]) -> str:
    columns = ["rule", "outcome", *tasks, "mean", "seeds", "cost / delta"]
    return f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}"


def _row(candidate: Candidate, tasks: tuple[str, ...]) -> str:
    scores = [_score(candidate.scores[t]) if t in candidate.scores else "none" for t in tasks]
    seeds = max(score.seeds for score in candidate.scores.values())
    last = [_number(mean(candidate, tasks)), str(seeds), _number(candidate.cost, 2)]
    outcome = candidate.outcome if candidate.proposal else "built-in"
    return f"| {' | '.join([candidate.name, outcome, *scores, *last])} |"


def _score(score: Score) -> str:
    """0.397 [0.350, 0.440], without the interval if there is none."""
    if not (math.isfinite(score.low) and math.isfinite(score.high)):
        return _number(score.mean)
    return f"{_number(score.mean)} [{_number(score.low)}, {_number(score.high)}]"


def _number(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}" if math.isfinite(value) else "none"
