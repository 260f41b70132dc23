"""The job that runs a validated rule graph: the gates from "shapes and dtypes" to "novel".

The graph is data from an allow-list and would be safe in the parent; it is run in a process of its
own for the limits on time and memory, and apart from the one that ran the source, which might have
changed what it answers with.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from archer.check import probes
from archer.check.causality import causal
from archer.check.inputs import inputs
from archer.check.probes import Finding
from archer.errors import one_line
from archer.research.gates.behaviour import behaviour
from archer.research.gates.cost import cost
from archer.research.gates.order import PROBING
from archer.research.sandbox.child import Send
from archer.rules.graph import RuleGraph, rule_from_json
from archer.rules.load import builtin_graph

Answer = dict[str, Any]


def prepare(data: object) -> None:
    """Run a small rule forward and backward, for what torch opens and imports on first use."""
    torch.set_num_threads(1)
    delta = builtin_graph("delta")  # which cost is held against
    probes.gradients(delta.with_chunk_size(2))


def work(data: dict[str, Any], send: Send) -> None:
    """One answer per gate, up to the first that fails: passed, reason, and what was measured."""
    graph = rule_from_json(data["graph"])
    knobs = tuple(replace(k, default=data["knobs"].get(k.name, k.default)) for k in graph.knobs)
    graph = replace(graph, knobs=knobs)
    for gate in PROBING:
        started = time.monotonic()
        answer = _answer(RUN[gate], graph)
        send(answer | {"gate": gate, "seconds": time.monotonic() - started})
        if not answer["passed"]:
            break


def _answer(run: Callable[[RuleGraph], Answer], graph: RuleGraph) -> Answer:
    try:
        return run(graph)
    except Exception as error:  # whatever a stranger's graph leads to is its gate's verdict
        return {"passed": False, "reason": one_line(error)}


def _of(probe: Callable[[RuleGraph], Finding]) -> Callable[[RuleGraph], Answer]:
    return lambda graph: _said(probe(graph))


def _said(finding: Finding) -> Answer:
    return {"passed": finding.passed, "reason": finding.message, "line": finding.line}


def shapes_and_dtypes(rule: RuleGraph) -> Finding:
    """Right shapes at lengths around the chunk, and the precision of the inputs comes out."""
    found = probes.hooks_run(rule)
    if not found.passed:
        return found
    for dtype in (torch.float32, torch.float64):
        output, state = inputs(rule, 2 * rule.chunk_size + 1, batch=1, dtype=dtype).run(rule)
        if output.dtype != dtype or state.dtype != dtype:
            given = f"inputs of {dtype} give output of {output.dtype}, state of {state.dtype}"
            return Finding(False, given.replace("torch.", ""))
    return found


def _cost(rule: RuleGraph) -> Answer:
    found, relative = cost(rule)
    return _said(found) | ({"cost": relative} if found.passed else {})


def _novel(rule: RuleGraph) -> Answer:
    """The parent compares: it knows the other rules."""
    return {"passed": True, "reason": "", "hash": rule.rule_hash, "behaviour": behaviour(rule)}


RUN: dict[str, Callable[[RuleGraph], Answer]] = {
    "shapes and dtypes": _of(shapes_and_dtypes),
    "causal": _of(causal),
    "independent": _of(probes.independent),
    "finite": _of(probes.finite),
    "gradients": _of(probes.gradients),
    "cost": _cost,
    "novel": _novel,
}
