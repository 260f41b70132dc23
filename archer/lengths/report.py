"""The report of a record of long sequences, in Markdown; and the record rebuilt."""

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from archer.lengths import words
from archer.lengths.measured import Measured
from archer.lengths.sequences import BINDINGS
from archer.lengths.tables import error_table, growth_table, places
from archer.report.tables import markdown_table

PICTURE = "lengths.svg"


def report(measured: Measured) -> str:
    """Everything but the picture's file."""
    since, end = places(measured, "since"), places(measured, "end")
    parts = [
        f"# {words.title(measured)}",
        _bullets(words.setup(measured)),
        _bullets(words.notes(measured)),
        "## Retrieval error",
        *_each(error_table, measured),
        f"## Growth from {since} to {end} tokens",
        *_each(growth_table, measured),
        "## Against position",
        f"![Error, memory and output against position]({PICTURE})",
        "## How this was measured",
        _bullets(words.METHOD),
        "## Models",
        markdown_table(
            pd.DataFrame.from_dict(
                dict(words.models(measured)),
                orient="index",
                columns=["trial", "lr", "weight decay", "test accuracy"],
            )
        ),
        "## This record",
        _bullets(_runs(measured.runs)),
        "Commands:",
        "```\n{}\n```".format("\n".join(measured.commands)),
    ]
    return "\n\n".join(parts) + "\n"


def _each(table: Any, measured: Measured) -> Iterable[str]:
    for kind in BINDINGS:
        yield f"{words.ABOUT[kind]}:"
        yield markdown_table(table(measured, kind))


def _runs(runs: Mapping[str, Any]) -> list[str]:
    """Who trained the models, and who measured."""
    lines = [
        f"trained in run {run['run']}, {run['started']}: {_machine(run)}" for run in runs["runs"]
    ]
    return [*lines, f"measured {runs['measured']['started']}: {_machine(runs['measured'])}"]


def _machine(run: Mapping[str, Any]) -> str:
    card = (run.get("card") or {}).get("name") or run.get("device", "unknown")
    versions = run.get("versions") or {}
    shown = ", ".join(f"{name} {versions.get(name)}" for name in ("archer", "torch"))
    return f"{card}; {shown}, code {str(run.get('code'))[:8]}"


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
