"""Runs proposed source where it can do no harm; only a rule graph comes out, as plain data."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from archer.research.sandbox.limits import Limits
from archer.research.sandbox.lockdown import LAYERS
from archer.research.sandbox.process import Run, run
from archer.research.sandbox.text import plain

__all__ = ["LAYERS", "Limits", "Outcome", "Run", "confine", "protection", "run"]


@dataclass(frozen=True)
class Outcome:
    """What a rule's source gave, all of it in the words of a stranger.

    graph: data that `rule_from_json` has yet to validate, or None. error: why there is none, with
    the check of `archer check` and the line where the tracer named them. output: the beginning of
    what it printed.
    """

    graph: dict[str, Any] | None
    error: str
    check: str
    line: int | None
    output: str
    seconds: float
    protection: tuple[str, ...]


def confine(
    source: str,
    limits: Limits = Limits(),  # noqa: B008
    *,
    file: str = "proposal.py",
    layers: Iterable[str] = LAYERS,
) -> Outcome:
    """Run and trace a rule's source in a confined process of its own.

    Takes 0.2 s, or 1.2 s where the source mentions torch. file: what error messages call it.
    layers: which protections to put in force; tests take some away. Raises ArcherError if the
    process cannot be started, and nothing for anything the source does.
    """
    data = {"source": source, "file": file}
    ran = run(
        "archer.research.sandbox.tracing",
        data,
        seconds=[limits.seconds],
        limits=limits,
        layers=layers,
    )
    answer = ran.answers[0] if ran.answers else {"error": ran.failure, "check": "sandbox"}
    graph, line = answer.get("graph"), answer.get("line")
    graph = graph if isinstance(graph, dict) else None
    return Outcome(
        graph=graph,
        error="" if graph else plain(answer.get("error")) or "gave neither a graph nor an error",
        check=plain(answer.get("check"), 40),
        line=line if type(line) is int and 0 < line < 10**6 else None,
        output=ran.output,
        seconds=ran.seconds,
        protection=ran.protection,
    )


@lru_cache(maxsize=1)
def protection() -> tuple[str, ...]:
    """What confines proposed source on this machine, and what does not, with the reason."""
    job = "archer.research.sandbox.nothing"
    return run(job, None, seconds=[], limits=Limits()).protection
