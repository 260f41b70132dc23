"""Prints what a search found, for people."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.tree import Tree

from archer.cli.tables import Whole

if TYPE_CHECKING:
    from archer.research.entries import Entry
    from archer.research.overview import Overview
    from archer.research.proposal import Outcome
    from archer.research.verdict import Verdict

OUTCOMES: tuple["Outcome", ...] = (
    "waiting",
    "refused",
    "failed",
    "weeded",
    "trains",
    "promoted",
)
WIDEST = 10_000  # characters of a line of the family tree
console = Console(highlight=False, soft_wrap=True)


def show_outcome(overview: "Overview", folder: Path) -> None:
    """What came of it, the family tree, and where the files are."""
    from archer.research import words

    show_tree(overview)
    console.print("")
    for line in words.outcome(overview):
        console.print(f"- {line}", markup=False)
    names = ("summary.md", "research.html", "candidates/")
    console.print("\nwrote " + ", ".join(str(folder / name) for name in names), markup=False)


def show_rebuilt(record: Path, out: Path | None = None) -> int:
    """`archer research --from RECORD`: its summary again, without training; 1 if it is another.

    out: folder for the files, by default results/NAME, the record's own name.
    """
    from archer.research import words
    from archer.research.record import rebuild

    found = rebuild(record, out or Path("results") / record.resolve().name)
    show_tree(found.overview)
    console.print("")
    for line in words.outcome(found.overview):
        console.print(f"- {line}", markup=False)
    console.print("\nwrote " + ", ".join(map(str, found.files)), markup=False)
    same = found.difference is None
    if same and found.reworded:
        console.print("said in other words than the record's, or drawn otherwise")
    said = "equal to the record's figures" if same else f"not equal: {found.difference}"
    console.print(said, markup=False)
    return 0 if same else 1


def show_tree(overview: "Overview") -> None:
    """The family tree."""
    from archer.research.tree import family_tree

    console.print(_Uncut(family_tree(overview)))


@dataclass(frozen=True)
class _Uncut:
    """A tree whose lines may be longer than the terminal's: rich would cut scores off."""

    tree: Tree

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from console.render(self.tree, options.update(width=WIDEST))


def show_status(overview: "Overview") -> None:
    """What was asked, how far it is, and what is still to do."""
    from archer.research import words
    from archer.research.entries import ARMS

    console.print(overview.where, markup=False)
    for line in words.setup(overview):
        console.print(f"- {line}", markup=False)
    table = Table("arm", box=None, pad_edge=False)
    for name in ("proposed", "of", *OUTCOMES):
        table.add_column(name, justify="right")
    for arm in ARMS if overview.session.settings.control else ARMS[:1]:
        entries = overview.arm(arm)
        counts = Counter(entry.outcome for entry in entries)
        numbers = [len(entries), overview.session.settings.budget.candidates]
        table.add_row(arm, *map(str, [*numbers, *(counts[name] for name in OUTCOMES)]))
    console.print(Whole(table))
    for line in words.outcome(overview):
        console.print(f"- {line}", markup=False)


def show_candidate(overview: "Overview", entry: "Entry", verdicts: "Sequence[Verdict]") -> None:
    """One candidate: reasons, gates, what was expected and measured, its source."""
    from archer.research.promote import provenance

    console.print(f"[bold]{entry.id}[/bold] {entry.name}")
    for line in provenance(overview, entry):
        console.print(line, markup=False)
    marks = {True: "[green]ok  [/green]", False: "[red]FAIL[/red]", None: "[dim]--  [/dim]"}
    console.print("")
    for verdict in verdicts:
        console.print(marks[verdict.passed], f"{verdict.gate:<20}", end=" ")
        console.print(_clean(verdict.reason), markup=False)
    found = overview.predicted[overview.predicted["rule"] == entry.id]
    if len(found):
        table = Table("task", box=None, pad_edge=False)
        for name in ("expected", "measured"):
            table.add_column(name, justify="right")
        for _, task, expected, observed in found.itertuples(index=False):
            table.add_row(task, f"{expected:+.3f}", f"{observed:+.3f}")
        console.print("")
        console.print(Whole(table))
    console.print("")
    for line in entry.source.splitlines():
        console.print(_clean(line, keep=True), markup=False)


def _clean(text: str, *, keep: bool = False) -> str:
    """Nothing that could move a terminal's cursor; keep: spaces at the start too."""
    flat = "".join(c if c.isprintable() else " " for c in text)
    return flat if keep else " ".join(flat.split())
