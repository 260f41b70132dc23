"""The summary of a search as Markdown."""

import math
from collections.abc import Iterable

import pandas as pd

from archer.mad.settings import COLUMNS
from archer.report.tables import markdown_table
from archer.research import words
from archer.research.next_steps import steps
from archer.research.overview import Overview, Standing


def summary(overview: Overview) -> str:
    """The whole summary as text."""
    parts = [
        "# Research: what the loop found",
        _bullets(words.setup(overview)),
        "## In short",
        _bullets(words.outcome(overview)),
        *_claims(overview),
        "## Candidates",
        _candidates(overview),
        "## The bar",
        _bullets(f"{bar}." for bar in overview.bars) or "None on smoke: it only weeds out.",
        "## What worked and what did not",
        _kinds(overview),
        *_refusals(overview),
        "## Did the reasons predict anything?",
        _bullets(words.prediction(overview.prediction)),
        "## Better than chance?",
        _bullets(words.chance(overview.chance)),
        "## Score against cost",
        f"{words.FRONT}:",
        _pareto(words.pareto(overview)),
        "## Next steps",
        "Plans, not measurements.",
        _bullets(steps(overview)),
        "## How this was computed",
        _bullets(words.METHOD),
    ]
    return "\n\n".join(parts) + "\n"


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _claims(overview: Overview) -> list[str]:
    if not overview.claims:
        return []
    rows = {}
    for c in overview.claims:
        gaps = [f"{c.tasks[t][0]:+.3f}" if t in c.tasks else "-" for t in COLUMNS]
        ends = "-" if c.lost else f"{c.low:+.4f} to {c.high:+.4f}"
        name = f"{overview.name(c.rule)} against {overview.name(c.against)} ({c.stage})"
        p = [_number(value, ".2g") for value in (c.p, c.p_holm)]
        rows[name] = [_number(c.difference, "+.4f"), ends, str(c.n), *p, c.told, *gaps]
    head = ["difference", "95 % interval", "seeds", "p", "p corrected", "verdict"]
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=[*head, *COLUMNS.values()])
    return [
        "## Promoted rules on fresh seeds and test data",
        f"Correction for {overview.claims[0].family} comparisons: {overview.tried} candidates "
        "tried, three each. Tasks: differences, uncorrected.",
        markdown_table(frame),
    ]


def _candidates(overview: Overview) -> str:
    rows = {}
    for s in overview.standings.values():
        e = s.entry
        if e is None:
            if s.scored:
                rows[s.key] = [
                    s.name,
                    "",
                    "built-in",
                    "",
                    _number(s.gap, "+.4f"),
                    _cost(s.cost),
                    "",
                ]
        elif e.arm == "search":
            rows[s.key] = [
                s.name,
                overview.name(e.parent),
                e.outcome,
                e.stage,
                _number(s.gap, "+.4f"),
                _cost(s.cost),
                _cell(e.reason),
            ]
    head = ["name", "parent", "outcome", "stage", "gap to delta", "cost", "why"]
    return markdown_table(pd.DataFrame.from_dict(rows, orient="index", columns=head))


def _kinds(overview: Overview) -> str:
    table = words.by_kind(overview).set_index("change")
    if table.empty:
        return "Nothing was proposed yet."
    text = table.astype(dict.fromkeys(("proposed", "scored", "promoted"), str))
    for name in ("expected", "measured", "best"):
        text[name] = [_number(value, "+.4f") for value in table[name]]
    return (
        "Mean change of the score against the parent, over tasks and candidates.\n\n"
        + markdown_table(text)
    )


def _refusals(overview: Overview) -> list[str]:
    found = words.refusals(overview)
    if not found:
        return []
    lines = [f"{where}: {n}; the latest: {_cell(why)}" for where, n, why in found]
    return ["Refused or failed:", _bullets(lines)]


def _pareto(standings: list[Standing]) -> str:
    rows = {s.name: [_cost(s.cost), _number(s.gap, "+.4f")] for s in standings}
    if not rows:
        return "No rule has both a score and a cost."
    columns = ["cost", "gap to delta"]
    return markdown_table(pd.DataFrame.from_dict(rows, orient="index", columns=columns))


def _cell(text: str) -> str:
    """One line that stays within its cell of a table."""
    flat = " ".join(text.split()).replace("|", "/").replace("<", "‹")
    return flat if len(flat) <= 160 else flat[:159] + "…"


def _number(value: float, form: str) -> str:
    return "-" if math.isnan(value) else format(value, form)


def _cost(value: float) -> str:
    return _number(value, ".2f")
