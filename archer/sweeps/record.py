"""A sweep as a folder of text: a record, written whole or not at all."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from archer.errors import ArcherError
from archer.files import prepare_folder
from archer.mad.presets import SWEPT
from archer.mad.trial import PROTOCOL_VERSION
from archer.record.folder import json_bytes, new_folder, sizes, whole_folder, zipped
from archer.record.write import Made, commands_of, curves_that_fit, day, told_runs
from archer.report.files import csv_text
from archer.report.record import MISSING
from archer.store import open_store
from archer.store.searched import asked_by_searches
from archer.sweeps.choose import best_trials
from archer.sweeps.described import points_to_json, sweep_to_json
from archer.sweeps.gather import GatheredSweep, find_sweep, gather_sweep, results_of
from archer.sweeps.rebuild import contents
from archer.sweeps.recorded import FORMAT, PLAN, load_record


def is_sweep(address: str | Path, number: int | None = None, preset: str | None = None) -> bool:
    """Whether a sweep is meant: one by number, or a store that holds nothing else of a preset.

    What a search asked for is of no preset.
    """
    if number is not None:
        return True
    with open_store(address, create=False) as store:
        searched = asked_by_searches(store)
        held = {str(plan["preset"]) for plan in store.plans() if plan["id"] not in searched}
    chosen = held & {preset} or held
    return bool(held) and all(name.endswith(SWEPT) for name in chosen)


def make_sweep_record(
    address: str | Path,
    *,
    number: int | None = None,
    name: str | None = None,
    out: Path = Path("records"),
    partial: bool = False,
    commands: Sequence[str] = (),
) -> Made:
    """Write `out`/DATE-NAME from a sweep's folder or store; DATE is the day of its last run.

    number: which, if the store holds several. name: by default sweep-RULE-PRESET. partial: also
    when trials are missing, and the record says so. commands: instead of those the store knows.
    Raises ArcherError for a store that cannot be read or holds no such sweep, for missing trials,
    and for a record that is there already.
    """
    with open_store(address, create=False) as store:
        found = gather_sweep(store, find_sweep(store, number))
    _refuse(found, partial)
    design = found.noted.sweep.design
    target = new_folder(
        out, day(found.runs), name or f"sweep-{design.rule.name}-{design.preset.name}"
    )
    with whole_folder(prepare_folder(out), target) as folder:
        files, said = _files(found, commands, partial)
        for path, data in files.items():
            (folder / path).parent.mkdir(exist_ok=True)
            (folder / path).write_bytes(data)
        record = load_record(folder)  # what a reader of the record will see
        results = results_of(record.noted, record.trials)
        for path, text in contents(record, results).items():
            (folder / path).write_text(text)
    return Made(target, sizes(target), [*record.gaps, said])


def _refuse(found: GatheredSweep, partial: bool) -> None:
    """Raises ArcherError for a sweep that is not complete, unless that is meant, or empty."""
    if found.trials["status"].isin([MISSING, "failed"]).all():
        raise ArcherError("not one trial has ended: there is nothing to record")
    if partial or not (found.missing or found.untold):
        return
    lacks = f"{found.missing} of {len(found.trials)} trials are missing"
    if found.untold:
        lacks += f", and {found.untold} of {found.noted.sweep.trials} points are not suggested yet"
    raise ArcherError(f"{lacks}: run the sweep's command again, or say --partial")


def _files(
    found: GatheredSweep, commands: Sequence[str], partial: bool
) -> tuple[dict[str, bytes], str]:
    """Everything but what is computed from the trials, and a sentence on the learning curves."""
    curves, said = curves_that_fit(found.curves, best_trials(found.trials))
    sweep = sweep_to_json(found.noted.sweep)
    rule = sweep.pop("rule")
    lines = [*commands] or commands_of(found.runs)
    name = found.noted.sweep.design.rule.name
    plan: dict[str, Any] = {
        "format": FORMAT,
        "protocol": "strict",
        "protocol_version": PROTOCOL_VERSION,
        "rule": name,
        "sweep": sweep,
        "points": points_to_json(found.noted.points),
        "trials": len(found.trials),
        "missing": found.missing,
        "untold": found.untold,
        "partial": partial,
        "curves": said,
    }
    files = {
        "trials.csv.gz": zipped(csv_text(found.trials)),
        "command.txt": "".join(f"{line}\n" for line in lines).encode(),
        "environment.json": json_bytes({"runs": told_runs(found.runs, found.trained_by)}),
        PLAN: json_bytes(plan),
        f"rules/{name}.json": json_bytes(rule),
    }
    return files | ({} if curves is None else {"curves.csv.gz": curves}), said
