"""Learned knobs as parameters: how the hash of a trial tells one from two that start alike.

A fixed knob is its value, so equal values are one number. A learned one is a parameter, also where
another has the same start and bounds: a * S + b * dS is not a * S + a * dS. The first of those
alike is written as a lone one is, the others with a number.

Counted apart are what acts inside a chunk (`local`) and what acts between chunks (`gate`, `write`),
and a parameter of both is said to be one. So ids of before learned knobs were told apart stand
for what they stood for then, `adam_softmax` with its two shares among them; changed have those of
rules with two alike on one side, or with one on both sides.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archer.rules.graph import RuleGraph

INSIDE, BETWEEN = ("local",), ("gate", "write")


def alike_parameters(texts: Mapping[str, str]) -> list[list[str]]:
    """Names grouped by what is written for them."""
    groups: dict[str, list[str]] = {}
    for name, text in texts.items():
        groups.setdefault(text, []).append(name)
    return list(groups.values())


def parameter_names(
    rule: "RuleGraph", texts: Mapping[str, str], groups: Sequence[list[str]]
) -> dict[str, dict[str, str]]:
    """By hook: what is written for each parameter it may read, where groups are in this order."""
    names: dict[str, dict[str, str]] = {}
    for side in (INSIDE, BETWEEN):
        read = frozenset().union(*(rule.hook(hook).inputs for hook in side))
        here = [[name for name in group if name in read] for group in groups]
        written = {name: _numbered(texts[name], n) for some in here for n, name in enumerate(some)}
        names |= dict.fromkeys(side, written)
    return names


def _numbered(text: str, n: int) -> str:
    return f"{text} #{n + 1}" if n else text


def shared_parameters(
    names: Mapping[str, Mapping[str, str]], groups: Sequence[list[str]]
) -> list[str]:
    """One line per parameter that acts inside chunks and between them."""
    inside, between = names[INSIDE[0]], names[BETWEEN[0]]
    both = [name for group in groups for name in group if name in inside and name in between]
    return sorted(f"one parameter: {inside[name]}, {between[name]}" for name in both)
