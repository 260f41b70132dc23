"""Writes a benchmark's files: results.csv, cells.csv, trials.csv, curves.csv and the reports."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pandas as pd

from archer.errors import ArcherError
from archer.files import prepare_folder, write_whole
from archer.mad.results import Results
from archer.report.beside import Published, read_published
from archer.report.html import page
from archer.report.markdown import report
from archer.report.own_rules import FOLDER as RULES
from archer.report.own_rules import rule_files
from archer.report.record import Record, is_record
from archer.report.stated import FILE as EXPECTS
from archer.report.stated import expects_text
from archer.report.study import Study
from archer.report.tables import cells_frame

Format = Literal["md", "html"]
FORMATS: tuple[Format, ...] = ("md", "html")


def write_results(results: Results, folder: Path) -> list[Path]:
    """The paths written, each whole. Raises ArcherError if the folder cannot be written.

    results.csv: one row per rule under its published name, one column per task, `Average` where
    all six were run. cells.csv: every cell with its spread over seeds. trials.csv: one row per
    trained member; curves.csv: one per its epoch.
    """
    study = Study.of(results)
    stated = study.expects and expects_text(study.expects)
    return [
        *([write_whole(folder / EXPECTS, stated)] if stated else []),
        *(write_whole(folder / path, text) for path, text in _rules(results, folder).items()),
        write_whole(folder / "trials.csv", csv_text(results.trials)),
        write_whole(folder / "curves.csv", csv_text(results.curves.round(6))),
        write_whole(folder / "report.md", report(study)),
        write_whole(folder / "report.html", page(study)),
        write_whole(folder / "cells.csv", csv_text(cells_frame(study))),
        write_whole(folder / "results.csv", table_text(results.table)),
    ]


def _rules(results: Results, folder: Path) -> dict[str, str]:
    found = rule_files(results.plan)
    if found:
        prepare_folder(folder / RULES)
    return found


def write_report(
    folder: Path,
    against: str | None = None,
    form: Format | None = None,
    out: Path | None = None,
    beside: Path | None = None,
) -> list[Path]:
    """Report on a result folder or a record; the paths written.

    Without out: report.md and report.html in the folder, or the one of them that form names. With
    out: that file, its format told by form or else by its ending. beside: a CSV of published rows.
    Raises ArcherError for a folder that cannot be read, and for an ending that tells no format.
    """
    study = Study.load(folder, against)
    published = () if beside is None else tuple(read_published(beside))
    record = Record.load(folder) if is_record(folder) else None
    if out is not None:
        form = form or _format(out)
        return [write_whole(out, report_text(study, form, published, record))]
    return [
        write_whole(folder / f"report.{f}", report_text(study, f, published, record))
        for f in (FORMATS if form is None else (form,))
    ]


def report_text(
    study: Study,
    form: Format,
    published: Sequence[Published] = (),
    record: Record | None = None,
) -> str:
    """The report; that of a record says at its end, in Markdown, what the record holds."""
    if form == "html":
        return page(study, published)
    about = "" if record is None else "\n" + record.about(study.trials)
    return report(study, published) + about


def table_text(frame: pd.DataFrame) -> str:
    """What results.csv holds of a table."""
    return str(frame.to_csv(lineterminator="\n"))


def _format(out: Path) -> Format:
    for form in FORMATS:
        if out.suffix.lower() == f".{form}":
            return form
    raise ArcherError(f"--out {out}: its ending must be .md or .html, or give --format")


def csv_text(frame: pd.DataFrame) -> str:
    """Rows without an index."""
    return str(frame.to_csv(index=False, lineterminator="\n"))
