"""Writes a sweep's files: sweep.csv, sweep.md and sweep.html."""

from collections.abc import Iterable, Sequence
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
from archer.sweeps.order import curves_text, learned_text
from archer.sweeps.remarks import remarks
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
    return _text(results, curves_text(results), learned_text(results), remarks(results))


def record_text(results: SweepResults, picture: str | None) -> str:
    """As a record's report has it. picture: a file beside it that shows the curves.

    In the order asked for and without remarks: a report rebuilt is the one that lies in the record.
    """
    curves, learned = curve_table(results.curves), words.learned(results)
    shown = [] if picture is None else [f"![{words.CURVES}]({picture})"]
    return _text(results, curves, learned, words.notes(results), shown)


def _text(
    results: SweepResults,
    curves: pd.DataFrame,
    learned: pd.DataFrame,
    notes: Sequence[str],
    shown: Sequence[str] = (),
) -> str:
    parts = [
        f"# {words.title(results)}",
        _bullets(words.setup(results)),
        "## Chosen",
        words.chosen(results),
        markdown_table(words.selection(results)),
        "## Curves",
        words.CURVES,
        markdown_table(curves),
        *shown,
        *_learned(learned),
        "## Keep in mind",
        _bullets([*notes, *words.method(results)]),
    ]
    return "\n\n".join(parts) + "\n"


def page(results: SweepResults) -> str:
    """The sweep as one self-contained page, with a plot per swept name and task."""
    text: str = template("sweep.html").render(
        title=words.title(results).replace("`", ""),
        setup=_all(words.setup(results)),
        notes=_all(remarks(results)),
        chosen=words.chosen(results),
        selection=words.selection(results),
        plots=plots(results),
        legend=words.CURVES,
        curves=curves_text(results),
        about_learned=words.LEARNED,
        learned=learned_text(results),
        method=_all(words.method(results)),
    )
    return text


def plots(results: SweepResults) -> list[tuple[str, Markup]]:
    """Heading and curve, for every swept name on every task where it acts."""
    return [(f"{COLUMNS[task]} by {name}", Markup(svg)) for name, task, svg in drawn(results)]


def drawn(results: SweepResults) -> list[tuple[str, str, str]]:
    """Name, task and curve.

    Where names are varied one at a time, a curve has the points of its name alone.
    """
    found = []
    for each in results.swept:
        curves = results.alone(each) if results.one_at_a_time else results.curves
        for task in results.tasks:
            if not results.acts(each, task):
                continue
            log = each.log or each.name == CHUNK_SIZE
            line = results.search is None
            svg = knob_curve(curves, each.name, task, log=log, line=line)
            if svg:
                found.append((each.name, task, svg))
    return found


def _learned(table: pd.DataFrame) -> list[str]:
    if not len(table):
        return []
    return ["## Learned values", words.LEARNED, markdown_table(table)]


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _all(lines: Iterable[str]) -> list[Markup]:
    return [inline(line) for line in lines]
