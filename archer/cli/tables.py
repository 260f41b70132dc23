"""Tables for a terminal, however narrow: no number is ever cut."""

import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Column, Table
from rich.text import Text

if TYPE_CHECKING:
    import pandas as pd

NAME = 12  # characters up to which a name is not folded


@dataclass(frozen=True)
class Whole:
    """A table with every number on one line, where need be longer than the terminal's.

    Columns of numbers are those set to the right: they are folded between words only, and names
    anywhere, but not where there is no terminal (and no COLUMNS): who searches a log for a name
    finds it. To be printed by a console that does not crop (`soft_wrap`).
    """

    table: Table

    def __post_init__(self) -> None:
        for column in self.table.columns:
            longest = max(map(cell_len, _words(column)), default=0)
            column.min_width = longest if column.justify == "right" else min(longest, NAME)
            column.overflow, column.no_wrap = "fold", False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        apart = 1 if self.table.collapse_padding else 2
        names = [column for column in self.table.columns if column.justify != "right"]
        whole = [max(map(cell_len, _lines(column)), default=0) for column in names]
        numbers = [column.min_width or 0 for column in self.table.columns if column not in names]
        narrow = options.is_terminal or "COLUMNS" in os.environ
        room = options.max_width if narrow else math.inf
        if sum([*whole, *numbers]) + apart * len(self.table.columns) <= room + apart:
            for column, width in zip(names, whole, strict=True):
                column.min_width, column.no_wrap = width, True  # what stands above numbers folds
        needed = sum((column.min_width or 0) + apart for column in self.table.columns)
        # in less than this, rich gives up columns altogether
        yield from console.render(self.table, options.update(width=max(options.max_width, needed)))


def frame_table(frame: "pd.DataFrame") -> Whole:
    """A frame of text, its index first."""
    table = Table("", box=None, pad_edge=False)
    for name in frame.columns:
        table.add_column(Text(str(name)), justify="right")
    for name, *cells in frame.itertuples():
        table.add_row(Text(str(name)), *(Text(str(cell)) for cell in cells))
    return Whole(table)


def _words(column: Column) -> list[str]:
    """Of the cells and of what stands above them."""
    return [word for line in _lines(column) for word in line.split()]


def _lines(column: Column) -> list[str]:
    """Of the cells and of what stands above them."""
    texts = [
        each if isinstance(each, Text) else Text.from_markup(str(each))
        for each in (column.header, *column.cells)
    ]
    return [line for text in texts for line in text.plain.splitlines()]
