"""A record's tables again, from its trials and without training."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from archer.errors import ArcherError
from archer.files import prepare_folder, write_whole
from archer.report.beside import read_published
from archer.report.csv_file import read_csv
from archer.report.files import csv_text, report_text, table_text
from archer.report.record import BESIDE, Record
from archer.report.study import Study
from archer.report.tables import cells_frame

CLOSE = 1e-12  # another version of numpy may add up in another order


@dataclass(frozen=True)
class Rebuilt:
    """The study of a record, the files written, and where its results.csv says something else."""

    study: Study
    files: list[Path]
    difference: str | None


def rebuild(folder: Path, out: Path | None = None, against: str | None = None) -> Rebuilt:
    """Compute a record's tables and reports from its trials.

    out: a folder for them, beside copies of the record's own files. Raises ArcherError for a
    record that is damaged, has a gap or lacks results.csv.
    """
    record = Record.load(folder)
    study = Study.load(folder, against)
    difference = _difference(study.table, _written(folder / "results.csv"))
    files = []
    if out is not None:
        prepare_folder(out)
        if out.resolve() != folder.resolve():
            shutil.copytree(folder, out, dirs_exist_ok=True)
        published = [row for path in (folder / BESIDE).glob("*") for row in read_published(path)]
        texts = {
            "results.csv": table_text(study.table),
            "cells.csv": csv_text(cells_frame(study)),
            "report.md": report_text(study, "md", published, record),
            "report.html": report_text(study, "html", published),
        }
        files = [write_whole(out / name, text) for name, text in texts.items()]
    return Rebuilt(study, files, difference)


def _written(path: Path) -> pd.DataFrame:
    try:
        return read_csv(path, index=True)
    except FileNotFoundError:
        raise ArcherError(f"{path.parent} holds no {path.name}: it is no whole record") from None


def _difference(table: pd.DataFrame, written: pd.DataFrame) -> str | None:
    """A sentence on the first cell that differs, None where all are equal."""
    if list(written.index) != list(table.index):
        return "results.csv has other rows than the trials give"
    if list(written.columns) != list(table.columns):
        return "results.csv has other columns than the trials give"
    for row in table.index:
        for column in table.columns:
            ours, theirs = float(table.loc[row, column]), float(written.loc[row, column])
            both_missing = ours != ours and theirs != theirs
            if not both_missing and not abs(ours - theirs) <= CLOSE:
                return f"results.csv has {theirs!r} for {row} on {column}; the trials give {ours!r}"
    return None
