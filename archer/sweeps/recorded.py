"""A sweep's record as it lies in its folder, and whether it is whole. See docs/records.md."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from archer.errors import ArcherError
from archer.report.csv_file import read_csv
from archer.report.record import MISSING
from archer.report.record_file import read_json, read_text
from archer.report.trial_columns import check_columns
from archer.sweeps.described import points_from_json, sweep_from_json
from archer.sweeps.noted import Noted
from archer.sweeps.points import once

PLAN = "sweep.json"
FORMAT = 1
PLACE = ["point", "setting", "lr", "weight_decay", "seed"]
Place = tuple[str, str, float, float, int]
NEEDED = (
    *("rule", "task", *PLACE, "trial", "status", "device", "seconds", "protocol"),
    *("validation_accuracy", "validation_perplexity", "test_accuracy", "test_plain_accuracy"),
)


@dataclass(frozen=True)
class SweepRecord:
    """noted: the sweep and its points. plan: what else sweep.json says. runs, commands: as told."""

    noted: Noted
    trials: pd.DataFrame
    plan: Mapping[str, Any]
    runs: list[dict[str, Any]]
    commands: list[str]

    @property
    def gaps(self) -> list[str]:
        """Sentences on what is missing."""
        lost, found = self.trials["status"] == MISSING, []
        if lost.any() or self.plan["untold"]:
            found = [f"partial record: {lost.sum()} of {len(lost)} trials are missing"]
        if self.plan["untold"]:
            asked = self.noted.sweep.trials
            found.append(f"the search had {self.plan['untold']} of {asked} points still to try")
        for task, part in self.trials[lost].groupby("task", sort=False):
            points = ", ".join(map(str, part["point"].unique()))
            found.append(f"missing on {task}: {len(part)} trials, of {points}")
        return found


def is_sweep_record(folder: Path) -> bool:
    """Whether a folder is the record of a sweep, whole or not."""
    return (folder / PLAN).is_file()


def load_record(folder: Path) -> SweepRecord:
    """Raises ArcherError for files that are missing, damaged, newer or do not fit together."""
    plan = read_json(folder / PLAN)
    if plan.get("format") != FORMAT:
        raise ArcherError(
            f"{folder / PLAN} has format {plan.get('format')!r}, this Archer knows {FORMAT}: "
            "update Archer, or the record is damaged"
        )
    runs = read_json(folder / "environment.json").get("runs")
    try:
        graph = read_json(folder / "rules" / f"{plan['rule']}.json")
        sweep = sweep_from_json(plan["sweep"] | {"rule": graph})
        found = Noted(0, sweep, points_from_json(plan["points"]))
        told = {name: int(plan[name]) for name in ("trials", "missing", "untold")}
        trained = [f"{run['run']} {run['started']} {run['trials']}" for run in runs or ()]
        places = _places(found)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ArcherError(f"{folder / PLAN} is damaged: {error!r}") from None
    if not trained:
        raise ArcherError(f"{folder / 'environment.json'} lacks 'runs': the record is damaged")
    try:
        trials = read_csv(folder / "trials.csv.gz")
    except FileNotFoundError:
        raise ArcherError(f"{folder} holds no trials.csv.gz: it is no whole record") from None
    _check(folder, trials, places, told)
    commands = read_text(folder / "command.txt").splitlines()
    return SweepRecord(found, trials, plan, runs or [], commands)


def _check(
    folder: Path, trials: pd.DataFrame, needed: list[Place], told: Mapping[str, int]
) -> None:
    """Raises ArcherError unless there is just what a plan of the sweep has."""
    if lost := [name for name in NEEDED if name not in trials]:
        raise ArcherError(f"{folder}: trials.csv.gz lacks the column {lost[0]!r}: it is damaged")
    places = list(trials[PLACE].itertuples(index=False, name=None))
    missing = int((trials["status"] == MISSING).sum())
    if places != needed or told["trials"] != len(trials) or told["missing"] != missing:
        raise ArcherError(
            f"{folder}: its trials are not those of {PLAN} ({len(trials)} rows, {told['trials']} "
            "promised): the record is damaged"
        )
    check_columns(folder, trials)


def _places(found: Noted) -> list[Place]:
    """Point, setting, lr, weight decay and seed of every row, in their order."""
    design = found.sweep.design
    points = once([*found.points, found.sweep.reference])
    return [
        (point.label, preset.settings[i].name, lr, decay, seed)
        for point in points
        for preset in design.presets()
        for i, lr, decay, seed in product(
            range(len(preset.settings)), preset.lrs, preset.weight_decays, range(design.seeds)
        )
    ]
