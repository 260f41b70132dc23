"""Writes a benchmark's files: results.csv, trials.csv, curves.csv, report.md, report.html."""

from pathlib import Path
from typing import Literal

from archer.errors import ArcherError
from archer.files import write_whole
from archer.mad.results import Results
from archer.report.html import page
from archer.report.markdown import report
from archer.report.study import Study

Format = Literal["md", "html"]
FORMATS: tuple[Format, ...] = ("md", "html")


def write_results(results: Results, folder: Path) -> list[Path]:
    """The paths written, each whole. Raises ArcherError if the folder cannot be written.

    results.csv: one row per rule under its published name, one column per task, `Average` where
    all six were run. trials.csv: one row per trained member; curves.csv: one per its epoch.
    """
    study = Study.of(results)
    return [
        write_whole(folder / "trials.csv", _csv(results.trials)),
        write_whole(folder / "curves.csv", _csv(results.curves.round(6))),
        write_whole(folder / "report.md", report(study)),
        write_whole(folder / "report.html", page(study)),
        write_whole(folder / "results.csv", results.table.to_csv(lineterminator="\n")),
    ]


def write_report(
    folder: Path, against: str | None = None, form: Format | None = None, out: Path | None = None
) -> list[Path]:
    """Report on a result folder; the paths written.

    Without out: report.md and report.html in the folder, or the one of them that form names. With
    out: that file, its format told by form or else by its ending.
    Raises ArcherError for a folder that cannot be read, and for an ending that tells no format.
    """
    study = Study.load(folder, against)
    if out is None:
        chosen = FORMATS if form is None else (form,)
        return [write_whole(folder / f"report.{f}", _text(study, f)) for f in chosen]
    return [write_whole(out, _text(study, form or _format(out)))]


def _format(out: Path) -> Format:
    for form in FORMATS:
        if out.suffix.lower() == f".{form}":
            return form
    raise ArcherError(f"--out {out}: its ending must be .md or .html, or give --format")


def _text(study: Study, form: Format) -> str:
    return report(study) if form == "md" else page(study)


def _csv(frame: object) -> str:
    return str(frame.to_csv(index=False, lineterminator="\n"))  # type: ignore[attr-defined]
