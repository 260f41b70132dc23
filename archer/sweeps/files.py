"""Writes a sweep's files: sweep.csv, sweep.md and sweep.html."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from archer.files import write_whole
from archer.mad.settings import COLUMNS
from archer.report.files import csv_text
from archer.report.knob_curves import curve_table, knob_curve
from archer.report.pages import inline, template
from archer.report.tables import markdown_table
from archer.sweeps import words
from archer.sweeps.results import SweepResults
from archer.sweeps.values import CHUNK_SIZE


def write_sweep(results: SweepResults, folder: Path) -> list[Path]:
    """The paths written, each whole. Raises ArcherError if the folder cannot be written.

    sweep.csv: a row per point, task and seed. Test accuracies of points that were not chosen are
    in none of the files, but for the default's mean beside the chosen one's.
    """
    return [
        write_whole(folder / "sweep.csv", csv_text(results.scores)),
        write_whole(folder / "sweep.md", markdown(results)),
        write_whole(folder / "sweep.html", page(results)),
    ]


def markdown(results: SweepResults) -> str:
    """The sweep as text."""
    parts = [
        f"# {words.title(results)}",
        _bullets(words.setup(results)),
        "## Chosen",
        markdown_table(words.selection(results)),
        "## Curves",
        words.CURVES,
        markdown_table(curve_table(results.curves)),
        *_learned(results),
        "## Keep in mind",
        _bullets([*words.notes(results), *words.METHOD]),
    ]
    return "\n\n".join(parts) + "\n"


def page(results: SweepResults) -> str:
    """The sweep as one self-contained page, with a plot per swept name and task."""
    text: str = template("sweep.html").render(
        title=words.title(results).replace("`", ""),
        setup=_all(words.setup(results)),
        notes=_all(words.notes(results)),
        selection=words.selection(results),
        plots=plots(results),
        legend=words.CURVES,
        curves=curve_table(results.curves),
        learned=words.learned(results),
        method=_all(words.METHOD),
    )
    return text


def plots(results: SweepResults) -> list[tuple[str, Markup]]:
    """Heading and curve, for every swept name on every task where it acts."""
    found = []
    for each in results.swept:
        for task in results.tasks:
            if task in results.without_effect:
                continue
            log = each.log or each.name == CHUNK_SIZE
            line = results.search is None
            drawn = knob_curve(results.curves, each.name, task, log=log, line=line)
            if drawn:
                found.append((f"{COLUMNS[task]} by {each.name}", Markup(drawn)))
    return found


def _learned(results: SweepResults) -> list[str]:
    table: pd.DataFrame = words.learned(results)
    if not len(table):
        return []
    about = "Where learned knobs ended, mean over seeds ± standard deviation, per layer and head."
    return ["## Learned values", about, markdown_table(table)]


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _all(lines: Iterable[str]) -> list[Markup]:
    return [inline(line) for line in lines]
