"""Gates a generation: side by side where there are processors for it, and judged in its order."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from archer.errors import one_line
from archer.research.entries import Entry
from archer.research.gates.known import Known, why_known
from archer.research.proposal import Proposal
from archer.research.verdict import Gated, Verdict

Gate = Callable[[Proposal, Sequence[Entry]], Gated]


def judged(
    gate: Gate, group: Sequence[Entry], known: Sequence[Entry], at_once: int = 1
) -> Iterator[tuple[Entry, Gated, float]]:
    """Each candidate with its verdicts and its share of the seconds, as soon as they are there.

    known: rules that need not be tried again; none of the group computes what an earlier one of it
    does either. A gate that breaks down refuses, so that its fault does not end the search.
    """
    at_once = max(1, min(at_once, len(group)))
    passed: dict[str, Known] = {}
    results = _side_by_side(gate, group, known, at_once)
    for entry, (gated, seconds) in zip(group, results, strict=True):
        found = _new(entry, gated, passed)
        if found.graph is not None:
            passed[entry.name] = Known(found.graph.rule_hash, found.behaviour)
        yield entry, found, seconds / at_once


def _side_by_side(
    gate: Gate, group: Sequence[Entry], known: Sequence[Entry], at_once: int
) -> Iterator[tuple[Gated, float]]:
    """Threads, each of which waits for the confined processes of one proposal."""

    def one(entry: Entry) -> tuple[Gated, float]:
        began = time.perf_counter()
        try:
            gated = gate(entry.proposal, known)
        except Exception as error:
            gated = Gated((Verdict("gates", False, f"broke down: {one_line(error)}"),))
        return gated, time.perf_counter() - began

    pool = ThreadPoolExecutor(at_once)
    try:
        yield from pool.map(one, group)
    finally:  # Ctrl-C waits for those at work and begins no other
        pool.shutdown(cancel_futures=True)


def _new(entry: Entry, gated: Gated, passed: dict[str, Known]) -> Gated:
    """Refused by the last gate if it is what another of its generation is."""
    if gated.graph is None or not passed:
        return gated
    own = Known(gated.graph.rule_hash, gated.behaviour)
    why = why_known(entry.name, own, passed)
    if not why:
        return gated
    *before, novel = gated.verdicts
    refused = replace(novel, passed=False, reason=why)
    return Gated((*before, refused), protection=gated.protection)
