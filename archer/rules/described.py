"""A rule of one's own as a reader finds it again: its whole graph, and what its author wrote.

The graph runs without the text, and no hash or trial's id knows it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from archer.rules.base import RuleError
from archer.rules.graph import RuleGraph, rule_from_json
from archer.rules.load import BUILTIN
from archer.rules.peer import Contender


def own_rules(rules: Iterable[Contender]) -> dict[str, RuleGraph]:
    """Those that are neither built in nor peers, by name."""
    return {r.name: r for r in rules if isinstance(r, RuleGraph) and r.name not in BUILTIN}


def described(rule: RuleGraph) -> dict[str, Any]:
    """Its graph as plain data, and `about`: the text, null where nobody kept it."""
    return rule.to_json() | {"about": rule.about}


def rule_described(data: Mapping[str, Any]) -> RuleGraph:
    """The rule that `described` told of, or a mere graph. Raises RuleError."""
    about = data.get("about")
    if not isinstance(about, str | None):
        raise RuleError(f"not a rule graph: its text is {about!r}", check="graph")
    return replace(rule_from_json(data), about=about)
