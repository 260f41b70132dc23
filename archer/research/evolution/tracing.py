"""From the source that evolution itself has written to its graph, and whether that is new.

Only text that this package wrote is run here; the source of anyone else's rule never is.
"""

import sys
import tempfile
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from archer.research.gates.behaviour import alike, behaviour
from archer.rules.graph import RuleGraph
from archer.rules.load import load_file
from archer.rules.trace import trace


@lru_cache(maxsize=1024)
def traced(source: str) -> RuleGraph:
    """The graph of a rule file's text. Raises RuleError."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rule.py"
        path.write_text(source)
        rule = load_file(path)
        try:
            return trace(rule)
        finally:
            sys.modules.pop(rule.__module__, None)


_behaviour = lru_cache(maxsize=4096)(behaviour)


def same(a: RuleGraph, b: RuleGraph) -> bool:
    """Whether two rules are one, as the gates see it: by hash, or by what they compute."""
    return a.rule_hash == b.rule_hash or alike(_behaviour(a), _behaviour(b))


def is_new(graph: RuleGraph, known: Iterable[RuleGraph]) -> bool:
    """Whether a rule equals none of these; hashes are compared first, as they cost less."""
    others = list(known)
    if any(graph.rule_hash == other.rule_hash for other in others):
        return False
    return not any(alike(_behaviour(graph), _behaviour(other)) for other in others)
