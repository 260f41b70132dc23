"""The table of results, for a terminal and for Markdown."""

import pandas as pd
from rich.table import Table

from archer.mad.results import Results
from archer.mad.settings import COLUMNS
from archer.rules.load import row_name

MARK = "="  # beside a score that is another rule's by construction


def cells(results: Results) -> pd.DataFrame:
    """The table as text: three decimals, "=" where a cell is identical by construction."""
    text = results.table.map(lambda value: "no score" if pd.isna(value) else f"{value:.3f}")
    for rule, task in results.identical[["rule", "task"]].itertuples(index=False):
        column = text[COLUMNS[task]]
        text[COLUMNS[task]] = column.mask(column.index == row_name(rule), column + MARK)
    return text


def terminal_table(results: Results) -> Table:
    """The table for rich, best score of each column in bold."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("rule", no_wrap=True)
    for column in results.table.columns:
        table.add_column(column, justify="right")
    text, is_best = cells(results), results.table.eq(results.table.max())
    rules = results.scores["rule"].drop_duplicates()
    for rule, shown, best in zip(rules, text.to_numpy(), is_best.to_numpy(), strict=True):
        row = (
            f"[bold]{cell}[/bold]" if top else cell for cell, top in zip(shown, best, strict=True)
        )
        table.add_row(rule, *row)
    return table


def markdown_table(frame: pd.DataFrame) -> str:
    """A Markdown table of a frame of text, index first."""
    head = "| | " + " | ".join(frame.columns) + " |"
    rule = "|---|" + "---:|" * len(frame.columns)
    rows = [f"| {name} | " + " | ".join(row) + " |" for name, row in frame.iterrows()]
    return "\n".join([head, rule, *rows])
