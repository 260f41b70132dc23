"""A store's table as a folder of text: a record, written whole or not at all."""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from archer.errors import ArcherError
from archer.files import prepare_folder
from archer.mad.presets import folder_name
from archer.mad.trial import PROTOCOL_VERSION
from archer.record.folder import json_bytes, new_folder, sizes, whole_folder, zipped
from archer.record.gather import Choice, Gathered, gather
from archer.report.beside import read_published
from archer.report.files import csv_text, report_text, table_text
from archer.report.record import AT_CHOSEN_RATES, BESIDE, ON_THE_GRID, Record, missing
from archer.report.study import Study
from archer.report.tables import cells_frame
from archer.store import open_store
from archer.store.environment import RULES, masked

CURVES_LIMIT = 2 * 2**20  # bytes, compressed: a record is meant to lie in a repository
MOST_NAMED = 6


@dataclass(frozen=True)
class Made:
    """A record that was written. sizes: bytes by file. notes: what a reader should know."""

    folder: Path
    sizes: dict[str, int]
    notes: list[str]


def make_record(
    address: str | Path,
    *,
    name: str | None = None,
    out: Path = Path("records"),
    choice: Choice | None = None,
    partial: bool = False,
    commands: Sequence[str] = (),
    against: str | None = None,
    beside: Path | None = None,
) -> Made:
    """Write `out`/DATE-NAME from a result folder or store; DATE is the day of its last run.

    name: by default the preset's. partial: also when trials are missing, and the record says so.
    commands: instead of those the store knows. against: baseline of the report. beside: a CSV of
    published rows for the report. Raises ArcherError for a store that cannot be read or holds no
    one table (see `gather`), for missing trials, and for a record that is there already.
    """
    published = () if beside is None else tuple(read_published(beside))
    with open_store(address, create=False) as store:
        found = gather(store, choice)
    lost = missing(found.trials)
    if lost and not partial:
        more = "" if len(lost) <= MOST_NAMED else f"; and {len(lost) - MOST_NAMED} more"
        raise ArcherError(
            f"{len(found.missing)} of {len(found.trials)} trials are missing "
            f"({'; '.join(lost[1:MOST_NAMED])}{more}): finish the benchmark, choose with --rules, "
            "--tasks or --runs what is whole, or say --partial"
        )
    _refuse_empty(found)
    target = new_folder(out, day(found.runs), name or folder_name(found.plan.preset.name))
    with whole_folder(prepare_folder(out), target) as folder:
        files, notes = _files(found, commands, partial)
        for path, data in files.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_bytes(data)
        study = Study.load(folder, against)  # what a reader of the record will see
        (folder / "results.csv").write_text(table_text(study.table))
        (folder / "cells.csv").write_text(csv_text(cells_frame(study)))
        if beside is not None:
            (folder / BESIDE).mkdir()
            (folder / BESIDE / beside.name).write_bytes(beside.read_bytes())
        text = report_text(study, "md", published, Record.load(folder))
        (folder / "report.md").write_text(text)
    return Made(target, sizes(target), [*lost, *notes])


def _refuse_empty(found: Gathered) -> None:
    if found.trials["status"].isin(["missing", "failed"]).all():
        raise ArcherError("not one trial has ended: there is nothing to record")


def _files(
    found: Gathered, commands: Sequence[str], partial: bool
) -> tuple[dict[str, bytes], list[str]]:
    """Everything but what is computed from the trials."""
    curves, said = curves_that_fit(found.curves, found.results.selected)
    plan = _plan(found, partial) | {"curves": said}
    lines = [*commands] or commands_of(found.runs)
    files = {
        "trials.csv.gz": zipped(csv_text(found.trials)),
        "command.txt": "".join(f"{line}\n" for line in lines).encode(),
        "environment.json": json_bytes({"runs": told_runs(found.runs, found.trained_by)}),
        "plan.json": json_bytes(plan),
        **({} if curves is None else {"curves.csv.gz": curves}),
        **{f"rules/{name}.json": json_bytes(graph) for name, graph in found.rules.items()},
    }
    return files, [said]


def _plan(found: Gathered, partial: bool) -> dict[str, Any]:
    """What the table is made of, so that a gap in the trials shows."""
    trials, preset, rates = found.trials, found.plan.preset, found.plan.rates
    return {
        "format": AT_CHOSEN_RATES if rates else ON_THE_GRID,
        "preset": preset.name,
        "about": preset.about,
        "protocol": found.plan.protocol,
        "protocol_version": PROTOCOL_VERSION,
        "rules": list(trials["rule"].unique()),
        "tasks": list(trials["task"].unique()),
        "settings": list(trials["setting"].unique()),
        "seeds": sorted(map(int, trials["seed"].unique())),
        "lrs": sorted(map(float, trials["lr"].dropna().unique())),
        "weight_decays": sorted(map(float, trials["weight_decay"].dropna().unique())),
        **({"rates": [each.to_json() for each in rates]} if rates else {}),
        "trials": len(trials),
        "missing": len(found.missing),
        "partial": partial,
    }


def curves_that_fit(curves: pd.DataFrame, selected: pd.DataFrame) -> tuple[bytes | None, str]:
    """All curves, or those of the selected trials, or none: what fits, and a sentence on it."""
    curves = curves.round(6)
    whole = zipped(csv_text(curves))
    if len(whole) <= CURVES_LIMIT:
        return whole, "`curves.csv.gz` holds every epoch of every trial"
    chosen = curves[curves["trial"].isin(selected["trial"])]
    some, size = zipped(csv_text(chosen)), f"{len(whole) / 2**20:.1f} MiB"
    if len(some) <= CURVES_LIMIT:
        return some, f"`curves.csv.gz` holds the selected trials only; all curves take {size}"
    return None, f"learning curves are left out, since they take {size}; the store has them"


def told_runs(
    runs: Sequence[dict[str, Any]], trained_by: Mapping[str, int]
) -> list[dict[str, Any]]:
    """What each run ran on; not the host's name, nor what is elsewhere: command line and rules."""
    trained = Counter(trained_by.values())
    return [
        {
            "run": run["id"],
            "started": _moment(run["started"]),
            "ended": None if run["ended"] is None else _moment(run["ended"]),
            "device": run["device"],
            "trials": trained[run["id"]],
            **{k: v for k, v in run["environment"].items() if k not in ("command", RULES)},
        }
        for run in runs
    ]


def commands_of(runs: Sequence[dict[str, Any]]) -> list[str]:
    """One line per command, as one would type it, each once."""
    return list(dict.fromkeys(_command(run["environment"]["command"]) for run in runs))


def _command(arguments: Sequence[str]) -> str:
    first, *rest = arguments or ["-c"]
    name = Path(first).name
    if name in ("", "-c", "-"):
        return "(from Python)"
    if name == "__main__.py":
        name = "archer"
    script = ["python"] if name.endswith(".py") else []
    return shlex.join([*script, name, *map(masked, rest)])


def day(runs: Sequence[Mapping[str, Any]]) -> str:
    """Of the last run, as in "2026-11-22"."""
    last = max(run["started"] for run in runs)
    return datetime.fromtimestamp(last, UTC).strftime("%Y-%m-%d")


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
