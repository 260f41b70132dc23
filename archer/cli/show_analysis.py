"""Prints what the analyst found, for people and for programs."""

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from archer.cli.tables import Whole

if TYPE_CHECKING:
    from archer.report.claims import Verdict
    from archer.report.compare import Comparison

console = Console(highlight=False, soft_wrap=True)
COLOURS = {"confirmed": "green", "refuted": "red", "rounding": "yellow", "unchecked": "dim"}
LONGEST = 100


def print_json(verdicts: "list[Verdict]") -> None:
    """A list of objects, one per statement; numbers that do not exist are null."""
    found = [_clean(asdict(verdict)) for verdict in verdicts]
    print(json.dumps(found, ensure_ascii=False, indent=1))


def show_verdicts(verdicts: "list[Verdict]") -> None:
    """One line per statement and one that counts them."""
    for v in verdicts:
        named = (("stated", _value(v.stated)), ("true", _value(v.actual)))
        figures = ", ".join(f"{what} {text}" for what, text in named if text)
        detail = "; ".join(text for text in (figures, v.note) if text)
        status = f"[{COLOURS[v.status]}]{v.status:<9}[/]"
        tail = f"  [dim]({escape(detail)})[/]" if detail else ""
        console.print(f"{v.line:>5}  {status}  {escape(_short(v.text))}{tail}")
    counts = [f"{sum(v.status == status for v in verdicts)} {status}" for status in COLOURS]
    console.print(f"{len(verdicts)} statements about scores: " + ", ".join(counts))


def show_comparison(found: "Comparison") -> None:
    """One row per cell, then what only one side has and why verdicts are limited."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("rule", "task", "A", "B", "B - A", "95 % interval", "p", "seeds", "verdict"):
        table.add_column(name, justify="left" if name in ("rule", "task", "verdict") else "right")
    for c in found.changes:
        ends = "" if math.isnan(c.low) else f"{c.low:+.3f} to {c.high:+.3f}"
        p = "" if math.isnan(c.p) else f"{c.p:.2g}"
        numbers = (_number(c.a), _number(c.b), _number(c.difference, "+.3f"), ends, p)
        style = "bold" if c.verdict == "beyond noise" else None
        table.add_row(escape(c.rule), c.column, *numbers, str(c.seeds), c.verdict, style=style)
    if found.changes:
        console.print(Whole(table))
    else:
        console.print("A and B have no rule and task in common: nothing to compare")
    for line in [*found.missing, *dict.fromkeys(c.why for c in found.changes if c.why)]:
        console.print(f"- {line}", markup=False)
    console.print(_summary(found))


def _summary(found: "Comparison") -> str:
    counts: dict[str, int] = {}
    for change in found.changes:
        counts[change.verdict] = counts.get(change.verdict, 0) + 1
    listed = ", ".join(f"{n} {verdict}" for verdict, n in counts.items()) or "none"
    return f"{len(found.changes)} cells in both: {listed}"


def _number(value: float, form: str = ".3f") -> str:
    return "" if math.isnan(value) else format(value, form)


def _value(value: float | str | None) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4g}"
    return value or ""


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= LONGEST else flat[: LONGEST - 1] + "…"


def _clean(record: dict[str, Any]) -> dict[str, Any]:
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in record.items()
    }
