"""What a benchmark gives back: tidy tables, and what they were made from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from archer.mad.plan import Plan, Row
from archer.mad.rates import told_rates
from archer.mad.scored import Scored
from archer.mad.trial import SELECTS, Protocol
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
class Results(Scored):
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

    @property
    def protocol(self) -> Protocol:
        return self.plan.protocol

    def __repr__(self) -> str:
        rules = ", ".join(rule.name for rule in self.plan.rules)
        rows, columns = self.table.shape
        return (
            f"Results({rules}; preset {self.plan.preset.name}, protocol {self.protocol}, "
            f"table {rows} x {columns}, {len(self.trials)} trials)"
        )

    def _repr_html_(self) -> str:
        """The table, as a notebook shows it."""
        return str(self.table.to_html(float_format="{:.3f}".format))


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
        **({"output_gate": True} if trial.model.output_gate else {}),
        **told_rates(plan.rates, row.rule, trial.setting.name),
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
