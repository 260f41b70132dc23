"""The gate "valid": what came out of the sandbox is checked by the parent as any stranger's data.

`rule_from_json` checks operations, arguments, names and shapes. Here: that the data is exactly
what a tracer writes, so that nothing rides along or means another thing to another reader.
"""

import json
from collections.abc import Mapping
from typing import Any

from archer.rules.base import RuleError
from archer.rules.graph import HOOKS, RuleGraph, rule_from_json
from archer.rules.validate import is_number

MOST_NAMES = 32  # knobs, signals and slots in all
LONGEST_NAME = 60
LAST_LINE = 10**6


def validated(data: Mapping[str, Any], name: str, knobs: Mapping[str, float]) -> RuleGraph:
    """The graph that the data describes, with the proposal's knob values inside its bounds.

    name: what the proposal calls the rule. Raises RuleError with the first thing wrong.
    """
    try:
        graph = rule_from_json(data)
        _check_types(graph)
        same = json.dumps(graph.to_json(), sort_keys=True) == json.dumps(data, sort_keys=True)
    except RecursionError:
        raise _bad("nested more deeply than any rule graph") from None
    if not same:
        raise _bad("not as the tracer writes it")
    if graph.name != name:
        raise _bad(f"the rule is called {graph.name!r}, its proposal says {name!r}")
    _check_knobs(graph, knobs)
    return graph


def _check_types(graph: RuleGraph) -> None:
    names = [graph.name, *(k.name for k in graph.knobs), *(s.name for s in graph.signals)]
    if len(names) + len(graph.slots) > MOST_NAMES:
        raise _bad(f"more than {MOST_NAMES} knobs, signals and slots")
    for knob in graph.knobs:
        if type(knob.learn) is not bool or type(knob.log) is not bool:
            raise _bad(f"knob {knob.name}: learn and log are true or false")
        if any(type(number) is not float for number in (knob.default, knob.low, knob.high)):
            raise _bad(f"knob {knob.name}: default and bounds are not decimal numbers")
        if knob.log and knob.low <= 0:
            raise _bad(f"knob {knob.name}: a log scale needs positive bounds")
    for hook in HOOKS:
        nodes = graph.hook(hook).nodes
        names += [node.label for node in nodes if node.label is not None]
        if any(type(node.attr) not in (type(None), float, int, str) for node in nodes):
            raise _bad(f"{hook}: an attribute is neither number nor name")
        lines = [node.line for node in nodes if node.line is not None]
        if any(type(line) is not int or not 0 < line < LAST_LINE for line in lines):
            raise _bad(f"{hook}: a line number is none")
    for text in (*names, *graph.slots, *(task for task, _ in graph.expects)):
        if not (text.isascii() and text.isprintable()) or len(text) > LONGEST_NAME:
            raise _bad(f"{text[:LONGEST_NAME]!r}: names are at most {LONGEST_NAME} plain letters")


def _check_knobs(graph: RuleGraph, knobs: Mapping[str, float]) -> None:
    bounds = {knob.name: (knob.low, knob.high) for knob in graph.knobs}
    for name, value in knobs.items():
        if name not in bounds:
            raise _bad(f"the proposal sets {name}, which is no knob of the rule")
        low, high = bounds[name]
        if not is_number(value) or not low <= value <= high:
            raise _bad(f"the proposal sets {name}={value}, outside its bounds [{low}, {high}]")


def _bad(reason: str) -> RuleError:
    return RuleError(reason, check="valid")
