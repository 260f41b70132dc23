"""A rule as source code that needs nothing of Archer."""

from archer.errors import ArcherError
from archer.export.fla_naive import fla_naive
from archer.rules.graph import RuleGraph

TARGETS = ("fla-naive",)


def export_rule(rule: RuleGraph, target: str = "fla-naive", *, doc: str = "") -> str:
    """Source text of one self-contained PyTorch file that runs the rule.

    doc: the rule's own docstring (its name and equations), which a graph does not hold.
    Raises ArcherError for an unknown target.
    """
    if target not in TARGETS:
        raise ArcherError(f"cannot export to {target!r}; choose one of: {', '.join(TARGETS)}")
    return fla_naive(rule, doc)
