"""A genome as a rule file, written as a person would write it: equations, then the code."""

import re

from archer.research.evolution.genome import Genome, words
from archer.research.evolution.page import (
    WIDTH,
    Page,
    closing,
    declared,
    filled,
    sentences,
    slots_of,
    title,
)

_WRITING = ("direction", "step", "second", "size", "forget", "slow")
_LONGEST_RETURN = 60


def rule_source(genome: Genome, name: str, about: str = "") -> str:
    """Text of the rule file. about: why, in sentences that end the docstring.

    The last sentence of the docstring names the parts, so that the file alone tells what it is
    made of; `parts_line` reads it.
    """
    page = Page()
    for hook, default in (("gate", "open"), ("local", "linear")):
        if genome.kind(hook) != default:
            result, equation = page.part(hook, genome.part(hook))
            page.add(hook, equation, f"return {result}")
    if any(place in _WRITING for place, _ in genome.parts):
        _write(genome, page)
    page.declarations = [*declared(genome), *closing(slots_of(genome), genome.chunk_size)]
    headline, paragraph = _says(genome, name)
    return page.text(headline, paragraph, f"{about} Parts: {words(genome)}.", name, genome)


def parts_line(docstring: str) -> str | None:
    """The line of parts in a docstring, as `words` wrote it."""
    found = re.search(r"Parts: (.*)\.$", " ".join(docstring.split()))
    return found[1] if found else None


def _says(genome: Genome, name: str) -> tuple[str, str]:
    """Headline and paragraph."""
    said = [part.kind.phrase for _, part in genome.parts]
    headline = f"{title(name)}: {'; '.join(said) or 'the delta rule, written once per chunk'}."
    if len(headline) <= WIDTH - 3:
        return headline, ""
    changes = f"{len(said)} changes" if len(said) > 1 else "one change"
    return f"{title(name)}: the delta rule with {changes}.", sentences(genome)


def _write(genome: Genome, page: Page) -> None:
    x, X = page.part("write", genome.part("direction"), "dS", "dS_n")
    y, Y = page.part("write", genome.part("step"), x, X)
    if genome.kind("second") != "none":
        y, Y = _mixed(genome, page, (x, X), (y, Y))
    if genome.kind("size") != "own" and not y.isidentifier():
        page.add("write", f"y_n = {Y}", f"y = {y}")
        y, Y = "y", "y_n"
    y, Y = page.part("write", genome.part("size"), y, Y)
    kept, Kept = page.part("write", genome.part("forget"))
    S, symbol = f"{kept} + {y}", f"{Kept} + {Y}"
    if genome.kind("slow") != "none":
        page.add("write", f"T_n = {symbol}", f"written = {S}")
        S, symbol = page.part("write", genome.part("slow"), "written", "T_n")
    _finish(page, S, symbol, slots_of(genome))


def _mixed(genome: Genome, page: Page, x: tuple[str, str], y: tuple[str, str]) -> tuple[str, str]:
    """Two steps, mixed."""
    second = genome.part("second")
    b, B = map(_bracketed, page.part("write", second, *x))
    a, A = map(_bracketed, y)
    share = filled("{share}", second)
    code = f"y = (1 - {share}) * {a} + {share} * {b}"
    page.add("write", f"y_n = (1 - share) * {A} + share * {B}", code)
    return "y", "y_n"


def _bracketed(text: str) -> str:
    return f"({text})" if "+" in text else text


def _finish(page: Page, state: str, symbol: str, slots: list[str]) -> None:
    listed = ", ".join(f'"{slot}": {slot}' for slot in slots)
    end = f", {{{listed}}}" if slots else ""
    if len(state) + len(end) <= _LONGEST_RETURN:
        page.add("write", f"S_n = {symbol}", f"return {state}{end}")
    else:
        page.add("write", f"S_n = {symbol}", f"S = {state}")
        page.code("write", f"return S{end}")
