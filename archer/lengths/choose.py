"""Which trained models of a folder are measured: those its table would show."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from archer.errors import ArcherError
from archer.lengths.sequences import TASK
from archer.mad.settings import Setting, baseline
from archer.mad.trial import Trial
from archer.record import Choice, gather
from archer.record.gather import Gathered
from archer.report.record import MISSING
from archer.rules.peer import Peer
from archer.store import open_store
from archer.sweeps.values import LEARNED


@dataclass(frozen=True)
class Chosen:
    """The selected trials of one setting of in-context recall.

    models: by rule and seed, what a record says of each. lost: those without a checkpoint. trials:
    by id. runs, trained_by: as `Gathered` has them.
    """

    preset: str
    protocol: str
    setting: Setting
    models: list[dict[str, Any]]
    lost: list[dict[str, Any]]
    trials: Mapping[str, Trial]
    runs: list[dict[str, Any]]
    trained_by: Mapping[str, int]


def choose(folder: Path, store: str | None, choice: Choice, setting: str | None) -> Chosen:
    """The trials that the protocol selects on a setting, of every rule and seed.

    store: as for `archer bench`, by default the folder's. setting: its name, where there are
    several; by default the task's baseline. Raises ArcherError for a store that holds no one table
    of them, for trials that are missing, and for models whose memory cannot be measured.
    """
    with open_store(store or folder, create=False) as opened:
        found = gather(opened, replace(choice, tasks=(TASK,)))
    name = _setting(found, setting)
    part = found.trials[found.trials["setting"] == name]
    if lost := int((part["status"] == MISSING).sum()):
        raise ArcherError(
            f"{lost} of {len(part)} trials of {name} are missing: finish the benchmark, or choose "
            "what is whole with --rules or --runs"
        )
    trials = {row.trial.id: row.trial for row in found.plan.rows if row.trial.setting.name == name}
    selected = found.results.selected
    selected = selected[selected["setting"] == name]
    for rule, id in selected[["rule", "trial"]].itertuples(index=False):
        refuse_unmeasurable(str(rule), trials[id])
    there = selected["best_epoch"].notna()
    if not there.any():
        raise ArcherError(f"no training of {name} has a checkpoint: there is nothing to measure")
    ids = set(selected["trial"])
    return Chosen(
        found.plan.preset.name,
        found.plan.protocol,
        next(iter(trials.values())).setting,
        _rows(selected[there], trials),
        _rows(selected[~there], trials),
        trials,
        [run for run in found.runs if run["id"] in set(found.trained_by.values())],
        {id: run for id, run in found.trained_by.items() if id in ids},
    )


def _setting(found: Gathered, asked: str | None) -> str:
    there = list(found.trials["setting"].unique())
    if asked is None:
        asked = there[0] if len(there) == 1 else baseline(TASK).name
    if asked not in there:
        raise ArcherError(f"no setting {asked!r} there: choose with --setting {' or '.join(there)}")
    return asked


def refuse_unmeasurable(rule: str, trial: Trial) -> None:
    """Raises ArcherError for a peer, and for a rule that was trained on a single chunk."""
    if isinstance(trial.rule, Peer):
        raise ArcherError(f"{rule} is no memory rule: leave it out, with --rules for the others")
    if trial.setting.length <= trial.rule.chunk_size:
        raise ArcherError(
            f"{rule} was trained on {trial.setting.length} tokens, one chunk of "
            f"{trial.rule.chunk_size}, where nothing that is written is ever read: train it on "
            "longer sequences or with smaller chunks"
        )


def _rows(selected: pd.DataFrame, trials: Mapping[str, Trial]) -> list[dict[str, Any]]:
    return [
        {
            "rule": str(row["rule"]),
            "seed": int(row["seed"]),
            "trial": str(row["trial"]),
            "lr": float(row["lr"]),
            "weight_decay": float(row["weight_decay"]),
            "knobs": _knobs(trials[str(row["trial"])]),
            "test_accuracy": float(row["accuracy"]),
        }
        for row in selected.to_dict("records")
    ]


def _knobs(trial: Trial) -> dict[str, float | str]:
    """Those that are not at their defaults, and those that are learned."""
    own = {knob.name: knob for knob in trial.rule.knobs}
    return {
        name: LEARNED if name in trial.learn else value
        for name, value in trial.knobs
        if name in trial.learn or value != own[name].default
    }
