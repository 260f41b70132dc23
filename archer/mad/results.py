"""What a benchmark gives back: tidy tables, and what they were made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from archer.mad.plan import Plan, Row
from archer.mad.scoring import select, table, task_scores
from archer.mad.trial import SELECTS
from archer.rules.load import row_name
from archer.train.reading import read
from archer.train.results import MemberResult

NAN = float("nan")
METRICS = ("accuracy", "perplexity")
SPLITS = ("validation", "test")
CURVES = ("trial", "epoch", "train_loss", *(f"{s}_{m}" for s in SPLITS for m in METRICS))


def no_curves() -> pd.DataFrame:
    """Curves of nothing."""
    return pd.DataFrame(columns=list(CURVES))


@dataclass(frozen=True)
class Results:
    """The outcome of a benchmark.

    trials: one row per rule and trial (columns in docs/results.md), a trial that is identical to
    another's by construction included. out: the folder it was written to, if any. curves: one row
    per trained trial and epoch.
    """

    plan: Plan
    trials: pd.DataFrame
    seconds: float
    device: str
    out: Path | None = None
    curves: pd.DataFrame = field(default_factory=no_curves)

    @cached_property
    def selected(self) -> pd.DataFrame:
        """The trial the protocol selects for every rule, setting and seed; score: `accuracy`."""
        return select(self.trials, self.plan.protocol)

    @cached_property
    def scores(self) -> pd.DataFrame:
        """One row per rule, task and seed."""
        return task_scores(self.selected)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per rule, one column per task, means over seeds."""
        return table(self.scores)

    @cached_property
    def identical(self) -> pd.DataFrame:
        """Rule, task, and the rule it is identical to there on every setting, by construction."""
        return identical_cells(self.trials)


def identical_cells(trials: pd.DataFrame) -> pd.DataFrame:
    """Rule, task, and the rule it is identical to there on every setting, by construction."""
    found = []
    for key, rows in trials.groupby(["rule", "task"], sort=False):
        same = rows["identical_to"].unique()
        if len(same) == 1 and isinstance(same[0], str):
            found.append((*map(str, key), same[0]))
    return pd.DataFrame(found, columns=["rule", "task", "identical_to"])


def curves_frame(outcomes: Mapping[str, MemberResult]) -> pd.DataFrame:
    """The learning curves: one row per trained trial and epoch, with the columns of CURVES."""
    rows = [
        (
            trial,
            at.epoch,
            at.train_loss,
            *(getattr(getattr(at, s), m) for s in SPLITS for m in METRICS),
        )
        for trial, result in outcomes.items()
        for at in result.history
    ]
    return pd.DataFrame(rows, columns=list(CURVES))


def trials_frame(
    plan: Plan, outcomes: Mapping[str, MemberResult], failures: Mapping[str, str], device: str
) -> pd.DataFrame:
    """The trials table: outcomes and reasons of failure by trial id."""
    records = [_record(plan, row, outcomes, failures, device) for row in plan.rows]
    return pd.DataFrame.from_records(records)


def _record(
    plan: Plan,
    row: Row,
    outcomes: Mapping[str, MemberResult],
    failures: Mapping[str, str],
    device: str,
) -> dict[str, Any]:
    trial, result = row.trial, outcomes.get(row.trial.id)
    if result:
        result = read(result, SELECTS[plan.protocol], trial.regime.stop_accuracy)
    return {
        "rule": row.rule,
        "row": row_name(row.rule),
        "task": trial.setting.task,
        "setting": trial.setting.name,
        "seed": trial.seed,
        "lr": trial.lr,
        "weight_decay": trial.weight_decay,
        **_scores(result),
        "status": result.status if result else "failed",
        "reason": failures.get(trial.id, ""),
        "identical_to": row.identical_to,
        "best_epoch": result.best_epoch if result else None,
        "epochs": len(result.history) if result else 0,
        "steps": result.steps if result else 0,
        "seconds": round(result.seconds, 3) if result else NAN,
        "protocol": plan.protocol,
        "preset": plan.preset.name,
        "chunk_size": trial.rule.chunk_size,
        "dim": trial.model.dim,
        "heads": trial.model.heads,
        "precision": trial.regime.precision,
        "device": device,
        "trial": trial.id,
        **{f"knob.{name}": value for name, value in trial.knobs},
        **_learned(result),
    }


def _scores(result: MemberResult | None) -> dict[str, float]:
    """Metrics at the checkpoint, NaN where there is none."""
    best = result.best if result else None
    columns = {"train_loss": best.train_loss if best else NAN}
    for split in ("validation", "test"):
        for metric in ("accuracy", "plain_accuracy", "loss", "perplexity"):
            columns[f"{split}_{metric}"] = getattr(getattr(best, split), metric) if best else NAN
    order = ("test_accuracy", "test_plain_accuracy", "validation_accuracy")
    return {name: columns.pop(name) for name in order} | columns


def _learned(result: MemberResult | None) -> dict[str, float]:
    """Final values of learned knobs, one column per layer and head, and their mean."""
    columns: dict[str, float] = {}
    for name, layers in (result.learned if result else {}).items():
        flat = [value for heads in layers for value in heads]
        columns[f"learned.{name}"] = sum(flat) / len(flat)
        for layer, heads in enumerate(layers):
            for head, value in enumerate(heads):
                columns[f"learned.{name}.layer{layer}.head{head}"] = value
    return columns
