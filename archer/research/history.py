"""What a proposer may know, from the store: candidates with their validation scores."""

import inspect
import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pandas as pd

from archer.mad.settings import TASKS
from archer.research.entries import Arm, Entry, Session
from archer.research.ledger import Ledger
from archer.research.proposal import Candidate, Score
from archer.research.stages import search_stage
from archer.rules.load import BUILTIN, builtin_graph, load_rule
from archer.stats import mean_interval

BUILT_IN = "built-in"  # the reason a rule without a proposal is there


def candidates(
    ledger: Ledger, session: Session, arm: Arm, costs: Mapping[str, float]
) -> tuple[Candidate, ...]:
    """The built-in rules, then everything the arm proposed, all on one scale.

    Scores are those of the session's search stage, also for candidates that went further. The
    search also sees what earlier sessions in this store proposed; the control begins anew.
    costs: time per token relative to delta, of built-in rules.
    """
    stage = search_stage(session.settings.preset)
    seeds = session.settings.seeds
    scores = _scores(ledger.scores(session.id), stage, seeds)
    found = [
        _builtin(name, stage, scores.get(name, {}), costs.get(name, math.nan)) for name in BUILTIN
    ]
    for entry in seen(ledger, session, arm):
        if entry.session != session.id and _alike(ledger, entry, session):
            scores |= _scores(ledger.scores(entry.session), stage, seeds, only=entry.id)
        found.append(_candidate(entry, stage, scores.get(entry.id, {})))
    return tuple(found)


def seen(ledger: Ledger, session: Session, arm: Arm) -> list[Entry]:
    """The arm's proposals so far; for the search those of earlier sessions too."""
    if arm == "control":
        return [e for e in ledger.entries(session.id, arm) if e.source]
    return [e for e in ledger.entries(arm=arm) if e.source and e.session <= session.id]


def _scores(
    rows: pd.DataFrame, stage: str, seeds: int, only: str | None = None
) -> dict[str, dict[str, Score]]:
    """Scores by rule and task on a stage over the seeds of the search, which delta has more of.

    A task with a seed lost has none.
    """
    values: dict[str, dict[str, list[float]]] = {}
    rows = rows[(rows["stage"] == stage) & (rows["seed"] < seeds)]
    for rule, task, accuracy in rows[["rule", "task", "accuracy"]].itertuples(index=False):
        if only in (None, rule):
            values.setdefault(rule, {}).setdefault(task, []).append(accuracy)
    return {
        rule: {
            task: score_of(by_task[task])
            for task in TASKS
            if task in by_task and not any(map(math.isnan, by_task[task]))
        }
        for rule, by_task in values.items()
    }


def score_of(values: Sequence[float]) -> Score:
    """Of one accuracy per seed."""
    interval = mean_interval(values)
    return Score(interval.mean, interval.low, interval.high, interval.n)


def _alike(ledger: Ledger, entry: Entry, session: Session) -> bool:
    """Whether scores of the search that made the entry may stand beside those of this one."""
    theirs = next(s for s in ledger.sessions() if s.id == entry.session).settings
    mine = session.settings
    return (search_stage(theirs.preset), theirs.seeds, theirs.precision) == (
        search_stage(mine.preset),
        mine.seeds,
        mine.precision,
    )


def _builtin(name: str, stage: str, scores: Mapping[str, Score], cost: float) -> Candidate:
    return Candidate(
        id=name,
        name=name,
        source=source_of(name),
        graph=builtin_graph(name),
        outcome="promoted",
        reason=BUILT_IN,
        stage=stage,
        scores=scores,
        cost=cost,
    )


@cache
def source_of(name: str) -> str:
    """Text of a built-in rule's file."""
    return Path(inspect.getfile(load_rule(name))).read_text()


def _candidate(entry: Entry, stage: str, scores: Mapping[str, Score]) -> Candidate:
    return Candidate(
        id=entry.id,
        name=entry.name,
        source=entry.source,
        graph=entry.graph,
        parents=entry.proposal.parents,
        proposal=entry.proposal,
        outcome=entry.outcome,
        reason=entry.reason,
        stage=stage if scores else entry.stage,
        scores=scores,
        cost=entry.cost,
    )
