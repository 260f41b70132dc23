"""The table of results, for a terminal and for Markdown."""

import math

import pandas as pd
from rich.table import Table

from archer.mad.settings import COLUMNS
from archer.report.facts import Facts
from archer.report.study import Study

MARK = "="  # beside a score that is another rule's by construction


def cells(study: Study) -> pd.DataFrame:
    """The table as text: three decimals, "=" where a cell is identical by construction."""
    text = study.table.map(number)
    for rule, task in study.identical[["rule", "task"]].itertuples(index=False):
        column = text[COLUMNS[task]]
        text[COLUMNS[task]] = column.mask(column.index == study.rows[rule], column + MARK)
    return text


def with_spread(study: Study) -> pd.DataFrame:
    """`cells`; with several seeds, below each mean `half_width`: "0.442\n±0.010"."""
    text = cells(study)
    if study.seeds == 1:
        return text
    halves = [
        [half_width(study.facts[rule, column]) for column in study.columns] for rule in study.rules
    ]
    below = pd.DataFrame(halves, index=text.index, columns=text.columns)
    return text + below.map(lambda half: "" if math.isnan(half) else f"\n±{half:.3f}")


def half_width(facts: Facts) -> float:
    """Half of the 95 % interval; nan where there is none.

    Where it was cut at a bound of scores, the distance to its farther end: mean and width then
    still cover it.
    """
    if math.isnan(facts.low):
        return math.nan
    return max(facts.high - facts.score, facts.score - facts.low)


def cells_frame(study: Study) -> pd.DataFrame:
    """What cells.csv holds: a row per cell with mean, sd, low, high (95 %), n, method, protocol."""
    return pd.DataFrame.from_records(
        [
            {
                "rule": rule,
                "row": study.rows[rule],
                "column": column,
                "protocol": study.protocol,
                "mean": facts.score,
                **{name: getattr(facts, name) for name in ("sd", "low", "high", "n", "method")},
            }
            for (rule, column), facts in study.facts.items()
        ]
    )


def differences(study: Study) -> pd.DataFrame | None:
    """Every other rule minus the baseline, as text; None when there is nothing to differ from."""
    if study.baseline is None or len(study.table) < 2:
        return None
    base = study.rows[study.baseline]
    gaps = (study.table - study.table.loc[base]).drop(index=base)
    return gaps.map(lambda gap: number(gap, signed=True))


def number(value: float, *, signed: bool = False) -> str:
    """Three decimals, or "no score". A difference of zero keeps its plus: it is no score."""
    if math.isnan(value):
        return "no score"
    return f"{value:+z.3f}" if signed else f"{value:.3f}"


def terminal_table(study: Study) -> Table:
    """The table for rich, best score of each column in bold, with intervals if there are seeds."""
    # one space between columns: eight rules and seven columns then fit 80 characters
    table = Table(box=None, pad_edge=False, collapse_padding=True, header_style="bold")
    table.add_column("rule", no_wrap=True)
    for column in study.table.columns:
        table.add_column(column, justify="right")
    text, is_best = with_spread(study), study.table.eq(study.table.max())
    for rule, shown, best in zip(study.rules, text.to_numpy(), is_best.to_numpy(), strict=True):
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
