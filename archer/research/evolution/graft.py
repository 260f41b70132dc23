"""A rule around the hooks of one or two others: parts put on top of one, or two mixed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random

from archer.research.evolution.changes import fresh
from archer.research.evolution.genome import PLACES, Genome
from archer.research.evolution.hooks_source import DECAY, Borrowed, borrowed
from archer.research.evolution.naming import short
from archer.research.evolution.page import (
    Page,
    class_name,
    closing,
    declared,
    sentences,
    slots_of,
    title,
)
from archer.research.proposal import Candidate
from archer.rules.base import snake_case
from archer.rules.graph import HOOKS, RuleGraph, default_graph
from archer.rules.validate import is_plain_name

MAX_OPERATIONS = 60  # in all hooks; beyond it nobody reads the rule any more
START = 0.3  # share of the second parent at first
ON_TOP = ("gate", "decay", "slow", "local")


def operations(graph: RuleGraph) -> int:
    """How many operations the hooks hold."""
    return sum(len(graph.hook(hook).nodes) for hook in HOOKS)


def can_carry(graph: RuleGraph, place: str) -> bool:
    """Whether a part can be put on top of a rule that is not made of parts."""
    if operations(graph) > MAX_OPERATIONS or place not in ON_TOP:
        return False
    if place == "decay":
        return graph.decay is None
    return place != "local" or graph.is_default("local")


def without(graph: RuleGraph, hook: str) -> RuleGraph:
    """The rule with one hook given back to DeltaNet, and what only that hook used."""
    kept = replace(graph, slots=() if hook == "write" else graph.slots)
    kept = replace(kept, **{hook: default_graph(hook)})  # type: ignore[arg-type]
    used = frozenset().union(*(kept.hook(each).inputs for each in HOOKS))
    return replace(
        kept,
        knobs=tuple(k for k in kept.knobs if f"knob.{k.name}" in used),
        signals=tuple(
            s for s in kept.signals if f"signal.{s.name}" in used or s.name == kept.decay
        ),
    )


def on_top(graph: RuleGraph, place: str, kinds: Sequence[str], rng: Random) -> Genome | None:
    """The one part to put on top of a rule, in a genome of its own."""
    if not can_carry(graph, place):
        return None
    kind = rng.choice([k for k in PLACES[place] if k.name in kinds])
    return Genome(chunk_size=graph.chunk_size).put(place, fresh(kind, rng))


def plain_name(parent: Candidate) -> str:
    """A parent's name if it can stand in source."""
    ok = is_plain_name(parent.name) and snake_case(class_name(parent.name)) == parent.name
    return parent.name if ok and len(parent.name) <= 60 else "parent"


def grafted_source(
    parents: Sequence[Candidate], genome: Genome, name: str, about: str, start: float = START
) -> str:
    """Text of a rule that uses the hooks of its parents and the parts of a genome on top.

    Two parents are mixed in each hook in which they differ, in a learned share that begins with
    `start` of the second. Raises ValueError for a parent without a graph.
    """
    taken = {DECAY, "share"} | {n for _, part in genome.parts for n in part.names}
    bases: list[Borrowed] = []
    for parent in parents:
        bases.append(_borrowed(parent, bases, taken))
    page = Page(functions=[function for base in bases for function in base.functions()])
    _equations(page)
    for hook in ("gate", "local"):
        _reading(hook, bases, genome, page)
    _write(bases, genome, page)
    page.declarations = _declarations(bases, genome, start, page)
    headline, paragraph = _says(parents, genome, name)
    return page.text(headline, paragraph, about, name, genome)


def _borrowed(parent: Candidate, others: Sequence[Borrowed], taken: set[str]) -> Borrowed:
    if parent.graph is None:
        raise ValueError(f"{parent.name} has no graph")
    values = parent.proposal.knobs if parent.proposal else {}
    prefix = short(plain_name(parent), 14)
    while any(prefix == each.prefix for each in others):
        prefix += "2"
    return borrowed(parent.graph, prefix, taken, values)


def _says(parents: Sequence[Candidate], genome: Genome, name: str) -> tuple[str, str]:
    """Headline and paragraph."""
    first, *others = (f"`{plain_name(parent)}`" for parent in parents)
    if others:
        return f"{title(name)}: two rules mixed.", f"Hooks of {first} and {others[0]}, mixed."
    return f"{title(name)}: one change of a rule.", f"Hooks of {first}. {sentences(genome)}".strip()


def _equations(page: Page) -> None:
    """What the parents' hooks compute, as their functions say it."""
    for head, *lines in page.functions:
        target = head[4:].split("(")[0]
        for line in map(str.strip, lines):
            if not any(word in line for word in (" = p.", " = slots.", ".shape[", "causal =")):
                result = line.replace("return ", f"{target} = ").split(', {"')[0]
                page.equations.append(result)


def _reading(hook: str, bases: Sequence[Borrowed], genome: Genome, page: Page) -> None:
    """The gate or the local weights: the parents', then the part on top."""
    changed = any(base.has(hook) for base in bases)
    part = genome.part(hook)
    if part.kind is not PLACES[hook][0]:
        if changed:
            page.code(hook, f"U = {bases[0].call(hook)}")
        result, equation = page.part(hook, part)
        page.add(hook, equation, f"return {result}")
    elif changed:
        code, symbol = _mixed(hook, bases, page)
        page.add(hook, f"{hook} = {symbol}", f"return {code}")


def _mixed(hook: str, bases: Sequence[Borrowed], page: Page) -> tuple[str, str]:
    """The hook of all parents: as code, after lines that call them, and for an equation."""
    results = []
    for base, word in zip(bases, ("first", "second"), strict=False):
        slots = f", {word}_slots" if hook == "write" and base.slots else ""
        if base.has(hook) and (slots or len(bases) > 1):
            page.code(hook, f"{word}{slots} = {base.call(hook)}")
            results.append(word)
        else:
            results.append(base.call(hook))
    symbols = [base.symbol(hook) for base in bases]
    if len(bases) == 1 or results[0] == results[1]:
        return results[0], symbols[0]
    a, b, A, B = (f"({text})" if " + " in text else text for text in (*results, *symbols))
    return f"(1 - p.share) * {a} + p.share * {b}", f"(1 - share) * {A} + share * {B}"


def _write(bases: Sequence[Borrowed], genome: Genome, page: Page) -> None:
    slow = genome.part("slow")
    anchored = slow.kind is not PLACES["slow"][0]
    if not anchored and not any(base.has("write") for base in bases):
        return
    if not anchored and len(bases) == 1:
        page.add("write", f"S_n = {bases[0].symbol('write')}", f"return {bases[0].call('write')}")
        return
    state, symbol = _mixed("write", bases, page)
    words = zip(bases, ("first", "second"), strict=False)
    kept = [f"**{word}_slots" for base, word in words if base.slots]
    if anchored:
        page.add("write", f"T_n = {symbol}", f"written = {state}")
        state, symbol = page.part("write", slow, "written", "T_n")
        kept += [f'"{slot}": {slot}' for slot in slow.kind.slots]
    page.add("write", f"S_n = {symbol}", f"S = {state}")
    slots = f"{{{', '.join(kept)}}}" if len(kept) > 1 else "".join(kept).removeprefix("**")
    slots = f"{{{slots}}}" if ":" in slots and slots[0] != "{" else slots
    page.code("write", f"return S, {slots}" if slots else "return S")


def _declarations(bases: Sequence[Borrowed], genome: Genome, start: float, page: Page) -> list[str]:
    code = "\n".join(line for body in page.hooks.values() for line in body)
    share = f"share = Knob({start!r}, low=0.0, high=1.0, learn=True)"
    lines = [share] if "p.share" in code else []
    lines += [line for base in bases for line in base.declarations()]
    lines += declared(genome)
    if any(base.graph.decay for base in bases):
        lines.append(f'{DECAY} = Signal("log_decay")')
    slots = [slot for base in bases for slot in base.slots] + slots_of(genome)
    return [*lines, *closing(slots, bases[0].graph.chunk_size)]


def between(parents: Sequence[Candidate], share: float) -> Mapping[str, float]:
    """Change per task from the first parent's scores to a point between both."""
    first, second = parents
    if first.stage != second.stage:
        return {}
    common = sorted(set(first.scores) & set(second.scores))
    changes = {t: share * (second.scores[t].mean - first.scores[t].mean) for t in common}
    return {task: change for task, change in changes.items() if math.isfinite(change)}
