"""The gate "novel": a rule that computes what a known one computes is refused by its name."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from archer.research.gates.behaviour import alike, behaviour
from archer.rules.load import BUILTIN, builtin_graph
from archer.rules.peer import is_peer


@dataclass(frozen=True)
class Known:
    """A rule that need not be tried again: its `rule_hash`, and its `behaviour`."""

    hash: str
    behaviour: str


@lru_cache(maxsize=1)
def _builtin() -> dict[str, Known]:
    graphs = {name: builtin_graph(name) for name in BUILTIN}
    return {name: Known(graph.rule_hash, behaviour(graph)) for name, graph in graphs.items()}


def known_rules() -> dict[str, Known]:
    """The built-in rules, by name."""
    return dict(_builtin())


def why_known(name: str, rule: Known, known: Mapping[str, Known]) -> str:
    """Why a rule of that name is not new, in words that name the one it equals; "" if it is."""
    for other, its in known.items():
        if rule.hash == its.hash:
            return f"the same mathematics as the known rule {other}"
    for other, its in known.items():
        if alike(rule.behaviour, its.behaviour):
            return f"computes what the known rule {other} computes, to 1e-9 on random inputs"
    if name in BUILTIN:
        return f"has the name of the built-in rule {name}; give it a name of its own"
    if is_peer(name):
        return f"has the name of the peer {name}; give it a name of its own"
    return ""
