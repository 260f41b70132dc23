"""A sweep's tables, report and picture from its record, without training."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from archer.errors import ArcherError
from archer.files import prepare_folder, write_whole
from archer.mad.settings import COLUMNS
from archer.report.csv_file import read_csv
from archer.report.files import csv_text
from archer.sweeps.files import page, record_text
from archer.sweeps.gather import results_of
from archer.sweeps.picture import picture
from archer.sweeps.recorded import SweepRecord, load_record
from archer.sweeps.results import SweepResults

CLOSE = 1e-9  # another version of numpy or scipy may add up in another order
PICTURE = "points.svg"


@dataclass(frozen=True)
class RebuiltSweep:
    """What a record's trials give, the files written, and where the record says something else."""

    results: SweepResults
    files: list[Path]
    difference: str | None


def rebuild_sweep(folder: Path, out: Path | None = None) -> RebuiltSweep:
    """Compute a record's tables, report and picture from its trials; with out, write them there.

    Raises ArcherError for a record that is damaged or lacks a table.
    """
    record = load_record(folder)
    results = results_of(record.noted, record.trials)
    difference = next(
        (said for name, table in tables(results).items() if (said := _other(folder / name, table))),
        None,
    )
    files = []
    if out is not None:
        prepare_folder(out)
        texts = contents(record, results) | {"report.html": page(results)}
        files = [write_whole(out / name, text) for name, text in texts.items()]
    return RebuiltSweep(results, files, difference)


def contents(record: SweepRecord, results: SweepResults) -> dict[str, str]:
    """By name, every file of a record that is computed from its trials, that is from `results`."""
    found = {name: csv_text(table) for name, table in tables(results).items()}
    drawn = picture(results)
    if drawn is not None:
        found[PICTURE] = drawn
    text = record_text(results, PICTURE if drawn else None)
    return found | {"report.md": f"{text}\n{about(record)}"}


def tables(results: SweepResults) -> dict[str, pd.DataFrame]:
    """sweep.csv: every seed; points.csv: the curves; chosen.csv: the choice and its reading;
    validation.csv: the curves' means as `archer verify` reads them; learned.csv."""
    curves = results.curves
    means = curves.pivot(index="point", columns="column", values="mean")
    columns = [COLUMNS[task] for task in results.tasks]
    found = {
        "sweep.csv": results.scores,
        "points.csv": curves,
        "chosen.csv": results.selected,
        "validation.csv": means.loc[curves["point"].unique(), columns].reset_index(),
    }
    return found | ({"learned.csv": results.learned} if len(results.learned) else {})


def about(record: SweepRecord) -> str:
    """The section of the report on the record itself, in Markdown."""
    lines = [*map(_run, record.runs), *record.gaps, str(record.plan.get("curves", ""))]
    lines.append(
        "`trials.csv.gz` holds test accuracies only where the test set is read: in the selected "
        "trials of the chosen points and of the default"
    )
    listed = "\n".join(f"- {line}" for line in lines if line)
    commands = "\n".join(record.commands)
    return f"## This record\n\n{listed}\n\nCommands:\n\n```\n{commands}\n```\n"


def _run(run: dict[str, object]) -> str:
    card, versions = run.get("card"), run.get("versions")
    on = card.get("name") if isinstance(card, dict) else run.get("device")
    torch = versions.get("torch") if isinstance(versions, dict) else "unknown"
    return (
        f"run {run['run']}, {run['started']}: {run['trials']} trials trained on {on}; torch "
        f"{torch}, commit {str(run.get('commit'))[:12]}, code {str(run.get('code'))[:8]}"
    )


def _other(path: Path, table: pd.DataFrame) -> str | None:
    """A sentence on the first cell of a file that is not the table's, None where all are."""
    try:
        written = read_csv(path)
    except FileNotFoundError:
        raise ArcherError(f"{path.parent} holds no {path.name}: it is no whole record") from None
    if list(written) != list(table) or len(written) != len(table):
        return f"{path.name} has other rows or columns than the trials give"
    for name in table:
        for row, (ours, theirs) in enumerate(zip(table[name], written[name], strict=True), 1):
            if not _same(ours, theirs):
                return (
                    f"{path.name} has {theirs!r} as {name} in row {row}; the trials give {ours!r}"
                )
    return None


def _same(ours: object, theirs: object) -> bool:
    if isinstance(ours, float) and isinstance(theirs, float):
        return abs(ours - theirs) <= CLOSE or (ours != ours and theirs != theirs)
    empty = ours in ("", None) and theirs != theirs  # as CSV has no word
    return empty or str(ours) == str(theirs) or _number(ours) == _number(theirs)


def _number(value: object) -> object:
    try:
        return float(str(value))
    except ValueError:
        return value
