"""Sentences whose numbers know the cells they came from."""

from collections.abc import Sequence
from dataclasses import dataclass

from archer.report.claims.figures import Figure

Cell = tuple[str, str]  # (rule, column of the table)


@dataclass(frozen=True)
class Ref:
    """A number as it is written, and the cells it was computed from; the first is its source."""

    text: str
    cells: tuple[Cell, ...]


Phrase = tuple[str | Ref, ...]


def plain(phrase: Phrase) -> str:
    """The sentence as Markdown."""
    return "".join(part if isinstance(part, str) else part.text for part in phrase)


def score(value: float, *cells: Cell) -> Ref:
    """A score with three decimals."""
    return Ref(f"{value:.3f}", cells)


def gap(value: float, *cells: Cell) -> Ref:
    """The size of a difference: three decimals, four where three would hide it."""
    return Ref(gap_text(value), cells)


def gap_text(value: float) -> str:
    size = abs(value)
    return f"{size:.3f}" if size >= 0.001 else f"{size:.4f}"


def figure(text: str, sign: str = "") -> Figure:
    """A written number as claims read it."""
    return Figure(abs(float(text)), len(text.partition(".")[2]), sign=sign)


def name(rule: str) -> str:
    return f"`{rule}`"


def names(rules: Sequence[str]) -> str:
    """ "`a`, `b` and `c`"."""
    return listed([name(rule) for rule in rules])


def listed(words: Sequence[str]) -> str:
    """ "a, b and c"."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def seed_span(seeds: Sequence[int]) -> str:
    """ "3", "3 to 10" or "0, 2 and 5", of seeds in order."""
    run = len(seeds) > 2 and seeds[-1] - seeds[0] + 1 == len(seeds)
    return f"{seeds[0]} to {seeds[-1]}" if run else listed([*map(str, seeds)])


def signed(value: float, digits: int = 3) -> str:
    """ "+0.012" or "-0.004"; what rounds to zero has no sign."""
    text = f"{value:+.{digits}f}"
    return text if float(text) else text[1:]
