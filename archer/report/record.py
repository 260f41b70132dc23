"""What a record says of itself, and whether it is whole. Its format is in docs/records.md."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from archer.errors import ArcherError
from archer.mad.rates import TOLD, ChosenRates, rates_of, told_rates
from archer.mad.settings import COLUMNS
from archer.report.record_file import read_json, read_text

ON_THE_GRID, AT_CHOSEN_RATES = 1, 2  # formats: rules have the same rates, or each its own
BESIDE = "beside"  # its folder with the CSV of published rows in its report, if any
MISSING = "missing"  # status of a trial that the table needs and nobody has trained
IN_PLAN = {
    **{"format": int, "preset": str, "protocol": str, "rules": list, "settings": list},
    **{"seeds": list, "trials": int, "missing": int},
}
PLACE = ["setting", "lr", "weight_decay", "seed"]
IN_TRIALS = (
    *("rule", "row", "task", *PLACE, "status", "protocol"),
    *("test_accuracy", "validation_accuracy", "validation_perplexity"),
)


@dataclass(frozen=True)
class Record:
    """plan: what plan.json holds. runs: environment.json's. commands: lines of command.txt."""

    plan: Mapping[str, Any]
    runs: list[dict[str, Any]]
    commands: list[str]

    @staticmethod
    def load(folder: Path) -> "Record":
        """Raises ArcherError for files that are missing, cannot be read, or are newer."""
        plan = read_json(folder / "plan.json")
        lost = [name for name, kind in IN_PLAN.items() if not isinstance(plan.get(name), kind)]
        if lost:
            raise ArcherError(f"{folder / 'plan.json'} lacks {lost[0]!r}: the record is damaged")
        if plan["format"] > AT_CHOSEN_RATES:
            raise ArcherError(
                f"{folder} was written by a newer Archer (record format {plan['format']}, this one "
                f"knows {AT_CHOSEN_RATES}): update Archer"
            )
        runs = read_json(folder / "environment.json").get("runs")
        if not isinstance(runs, list) or not all(map(_is_run, runs)):
            raise ArcherError(f"{folder / 'environment.json'} lacks 'runs': the record is damaged")
        return Record(plan, runs, read_text(folder / "command.txt").splitlines())

    def check(self, folder: Path, trials: pd.DataFrame) -> None:
        """Raises ArcherError unless every rule has every trial that plan.json promises."""
        if lost := [name for name in IN_TRIALS if name not in trials]:
            raise ArcherError(f"{folder}: trials.csv lacks the column {lost[0]!r}: it is damaged")
        if trials["protocol"].nunique() > 1:
            raise ArcherError(f"{folder}: trials.csv mixes two protocols; one table holds one")
        rules, settings = (
            list(trials["rule"].unique()),
            sorted(map(str, trials["setting"].unique())),
        )
        rates, promised = self._rates(folder), int(self.plan["trials"])
        place = ["setting", "seed"] if rates else PLACE
        twice = trials.duplicated(["rule", *place])
        places = trials[place].drop_duplicates()
        if (
            twice.any()
            or len(trials) != promised
            or rules != list(self.plan["rules"])
            or settings != sorted(map(str, self.plan["settings"]))
            or len(places) * len(rules) != promised
            or (rates and not at_their_rates(trials, rates))
            or int((trials["status"] == MISSING).sum()) != int(self.plan["missing"])
        ):
            raise ArcherError(
                f"{folder}: its trials are not those of plan.json ({len(trials)} rows, {promised} "
                "promised): the record is damaged"
            )

    def _rates(self, folder: Path) -> tuple[ChosenRates, ...]:
        """Those of its rules where they were chosen beforehand. Raises ArcherError."""
        if self.plan["format"] == ON_THE_GRID:
            return ()
        try:
            return tuple(ChosenRates.from_json(each) for each in self.plan["rates"])
        except (KeyError, TypeError, ValueError):
            raise ArcherError(
                f"{folder / 'plan.json'} lacks 'rates': the record is damaged"
            ) from None

    def about(self, trials: pd.DataFrame) -> str:
        """The section of the report on the record itself, in Markdown."""
        lines = [_run(run) for run in self.runs]
        lines += missing(trials)
        lines.append(str(self.plan.get("curves", "")))
        lines.append("`trials.csv` is kept as `trials.csv.gz`; `archer report` makes the page")
        commands = "\n".join(self.commands)
        listed = "\n".join(f"- {line}" for line in lines if line)
        return f"## This record\n\n{listed}\n\nCommands:\n\n```\n{commands}\n```\n"


def at_their_rates(trials: pd.DataFrame, rates: Sequence[ChosenRates]) -> bool:
    """Whether every trial is at the lr and weight decay that were chosen for it, and says so.

    What was never asked for of a rule on a setting has none.
    """
    needed = ["rule", "setting", "lr", "weight_decay", *TOLD]
    found = trials.reindex(columns=needed).drop_duplicates().to_dict("records")
    return all(_as_chosen(row, rates) for row in found)


def _as_chosen(row: Mapping[Any, Any], rates: Sequence[ChosenRates]) -> bool:
    chosen = rates_of(rates, row["rule"], row["setting"])
    if chosen is None:
        return all(pd.isna(row[name]) for name in ("lr", "weight_decay", *TOLD))
    told = told_rates(rates, row["rule"], row["setting"])
    same = (row["lr"], row["weight_decay"]) == chosen.by_setting[row["setting"]]
    return same and all(str(row[name]) == told[name] for name in TOLD)


def is_record(folder: Path) -> bool:
    """Whether a folder is a record, whole or not."""
    return (folder / "plan.json").is_file()


def check_record(folder: Path, trials: pd.DataFrame) -> None:
    """Nothing for an ordinary result folder; raises ArcherError for a record with a gap."""
    if (folder / "sweep.json").is_file():
        raise ArcherError(f"{folder} is the record of a sweep: archer sweep --from {folder}")
    if is_record(folder):
        Record.load(folder).check(folder, trials)


def missing(trials: pd.DataFrame) -> list[str]:
    """Sentences on what of a table nobody has trained."""
    lost = trials[trials["status"] == MISSING]
    if lost.empty:
        return []
    found = [f"partial record: {len(lost)} of {len(trials)} trials are missing"]
    for (rule, task), part in lost.groupby(["rule", "task"], sort=False):
        every = trials[(trials["rule"] == rule) & (trials["task"] == task)]
        found.append(
            f"missing: {len(part)} of {len(every)} trials of `{rule}` on {COLUMNS[str(task)]}"
        )
    return found


def _is_run(run: object) -> bool:
    if not isinstance(run, dict):
        return False
    kinds = {"card": dict, "versions": dict, "commit": str}
    return all(isinstance(run.get(name), kind | None) for name, kind in kinds.items())


def _run(run: Mapping[str, Any]) -> str:
    """ "run 1, 2026-11-22 01:08 UTC: 72 trials on NVIDIA H200; archer 0.1.0, torch 2.11.0"."""
    card = (run.get("card") or {}).get("name") or run.get("device", "unknown")
    versions = run.get("versions") or {}
    shown = ", ".join(
        f"{name} {versions[name] or 'not installed as a package'}"
        for name in ("archer", "torch")
        if name in versions
    )
    commit = f", commit {run['commit'][:12]}" if run.get("commit") else ""
    return (
        f"run {run.get('run')}, {run.get('started')}: {run.get('trials')} trials trained on "
        f"{card}; {shown}{commit}, code {str(run.get('code'))[:8]}"
    )
