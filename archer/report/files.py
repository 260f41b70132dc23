"""Writes a benchmark's three files: results.csv, trials.csv, report.md."""

from pathlib import Path

from archer.files import write_whole
from archer.mad.results import Results
from archer.report.markdown import report


def write_results(results: Results, folder: Path) -> list[Path]:
    """The paths written, each whole. Raises ArcherError if the folder cannot be written.

    results.csv: one row per rule under its published name, one column per task, `Average` where
    all six were run. trials.csv: one row per trained member.
    """
    return [
        write_whole(folder / "trials.csv", results.trials.to_csv(index=False, lineterminator="\n")),
        write_whole(folder / "report.md", report(results)),
        write_whole(folder / "results.csv", results.table.to_csv(lineterminator="\n")),
    ]
