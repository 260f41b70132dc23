"""Rule graphs as JSON: unchanged through a round trip, and no forged graph gets in."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch

from archer.rules.base import RuleError
from archer.rules.graph import rule_from_json
from archer.rules.load import BUILTIN, builtin_graph
from archer.rules.torch_source import compile_hook
from archer.rules.validate import MAX_NODES


def _data(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(json.dumps(builtin_graph(name).to_json()))
    return data


@pytest.mark.parametrize("name", BUILTIN)
def test_round_trip(name: str) -> None:
    rule = builtin_graph(name)
    again = rule_from_json(_data(name))
    assert again == rule
    assert again.rule_hash == rule.rule_hash
    assert again.to_json() == rule.to_json()  # lines and labels too


def _node(data: dict[str, Any], hook: str, op: str) -> list[Any]:
    node: list[Any] = next(node for node in data[hook]["nodes"] if node[0] == op)
    return node


def _set(hook: str, op: str, place: int, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        _node(data, hook, op)[place] = value

    return change


def _put(*path: str | int, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(data: Any) -> None:
        for key in path[:-1]:
            data = data[key]
        data[path[-1]] = value

    return change


def _rename(kind: str, old: str, new: str) -> Callable[[dict[str, Any]], None]:
    """A name changed consistently, everywhere it occurs."""

    def change(data: dict[str, Any]) -> None:
        text = json.dumps(data).replace(f"{kind}.{old}", f"{kind}.{new}")
        data.update(json.loads(text))
        data["slots"] = [new if slot == old else slot for slot in data["slots"]]
        for knob in data["knobs"]:
            knob["name"] = new if knob["name"] == old else knob["name"]

    return change


def _append(hook: str, *nodes: list[Any]) -> Callable[[dict[str, Any]], None]:
    """More nodes at the end, the last of them the hook's result."""

    def change(data: dict[str, Any]) -> None:
        data[hook]["nodes"] += [[*node, None, None] for node in nodes]
        first = next(iter(data[hook]["outputs"]))
        data[hook]["outputs"][first] = len(data[hook]["nodes"]) - 1

    return change


def _without(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda data: data.pop(key)


INJECTED = "m=print('taken over')"

# Changes to momentum: (what is changed, the check that must fail).
FORGED: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "another format": (_put("format", value=2), "graph"),
    "no slots": (_without("slots"), "graph"),
    "no write": (_without("write"), "graph"),
    "nodes as a number": (_put("write", "nodes", value=3), "graph"),
    "an unknown operation": (_set("write", "add", 0, "__import__"), "operations"),
    "a missing argument": (_set("write", "add", 1, [0]), "operations"),
    "a later node": (_set("write", "mul", 1, [0, 9]), "graph"),
    "itself": (_append("write", ["neg", [10], None]), "graph"),
    "an earlier node by a negative index": (_set("write", "add", 1, [-1, 0]), "graph"),
    "a node by a truth value": (_set("write", "add", 1, [True, 0]), "graph"),
    "a node by a float": (_set("write", "add", 1, [0.0, 1]), "graph"),
    "a wrong shape": (_append("write", ["transpose", [0], None]), "shapes"),
    "shapes that do not fit": (
        _append("write", ["transpose", [0], None], ["add", [0, 10], None]),
        "shapes",
    ),
    "an undeclared knob": (_put("knobs", value=[]), "graph"),
    "an undeclared slot": (_put("slots", value=[]), "graph"),
    "an input of another hook": (_append("write", ["input", [], "scores"]), "graph"),
    "an input that does not exist": (_append("gate", ["input", [], "os"]), "graph"),
    "a constant that is infinite": (_set("write", "const", 2, float("inf")), "graph"),
    "a constant that is not a number": (_set("write", "const", 2, float("nan")), "graph"),
    "a constant that is text": (_set("write", "const", 2, "1 + 1"), "graph"),
    "a constant that is nothing": (_set("write", "const", 2, None), "graph"),
    "a constant too large for a float": (_set("write", "const", 2, 10**400), "graph"),
    "an attribute where none belongs": (_set("write", "add", 2, "__import__('os')"), "graph"),
    "a size that does not exist": (_append("write", ["size", [], "batch"]), "graph"),
    "an axis that does not exist": (_append("write", ["sum", [0], -3]), "graph"),
    "no output": (_put("write", "outputs", value={}), "graph"),
    "an output that does not exist": (_put("write", "outputs", "S", value=99), "graph"),
    "an output before the first": (_put("write", "outputs", "S", value=-1), "graph"),
    "another output": (_put("gate", "outputs", value={"scores": 0}), "graph"),
    "two outputs of one": (_put("gate", "outputs", value={"U": 0, "V": 0}), "graph"),
    "code as a slot": (_rename("slots", "m", INJECTED), "graph"),
    "code as a knob": (_rename("knob", "mu", "mu=open('x','w')"), "graph"),
    "code as a label": (_set("write", "add", 4, "x = open('x', 'w'); y"), "graph"),
    "a keyword as a label": (_set("write", "add", 4, "import"), "graph"),
    "code as a name": (_put("name", value='"""\nimport os'), "graph"),
    "a reserved name": (_rename("knob", "mu", "torch"), "graph"),
    "a knob twice": (lambda data: data["knobs"].append(data["knobs"][0]), "graph"),
    "a knob without bounds": (_without("knobs"), "graph"),
    "a knob out of its bounds": (_put("knobs", 0, "default", value=1.5), "graph"),
    "a knob that is text": (_put("knobs", 0, "default", value="0.5"), "graph"),
    "a knob of unknown parts": (_put("knobs", 0, "run", value="rm"), "graph"),
    "an unknown activation": (
        _put("signals", value=[{"name": "eta", "activation": "eval"}]),
        "graph",
    ),
    "two decays": (
        _put("signals", value=[{"name": n, "activation": "log_decay"} for n in ("a", "b")]),
        "graph",
    ),
    "chunks of nothing": (_put("chunk_size", value=0), "graph"),
    "chunks too large": (_put("chunk_size", value=10**9), "graph"),
    "a mask as a result": (
        _append("local", ["input", [], "scores"], ["causal_mask", [], None]),
        "shapes",
    ),
    "a number as a condition": (_append("write", ["where", [0, 0, 0], None]), "operations"),
    "not of a number": (_append("write", ["not", [0], None]), "operations"),
    "a sum over queries": (
        _append("local", ["sum", [0], -2], ["mul", [0, 1], None]),
        "causal",
    ),
    "a softmax over queries": (_append("local", ["softmax", [0], -2]), "causal"),
    "a product over queries": (
        _append("local", ["transpose", [0], None], ["matmul", [1, 0], None]),
        "causal",
    ),
    "a sum of a mixture": (
        _append(
            "local",
            ["transpose", [0], None],
            ["add", [0, 1], None],
            ["sum", [2], -1],
            ["mul", [0, 3], None],
        ),
        "causal",
    ),
    "too many operations": (
        _append("write", *[["neg", [n], None] for n in range(MAX_NODES)]),
        "graph",
    ),
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_graph_is_refused(name: str) -> None:
    change, check = FORGED[name]
    data = _data("momentum")
    change(data)
    with pytest.raises(RuleError) as caught:
        rule_from_json(data)
    assert caught.value.check == check


@pytest.mark.parametrize("data", [{}, [], None, "rule", 3])
def test_other_data_is_refused(data: Any) -> None:
    with pytest.raises(RuleError, match="not a rule graph"):
        rule_from_json(data)


def test_a_large_graph_within_the_limit_compiles_and_hashes() -> None:
    data = _data("momentum")
    _append("write", *[["tanh", [n], None] for n in range(9, 3000)])(data)
    rule = rule_from_json(data)
    assert len(rule.write.nodes) == 3001
    x = torch.ones(1, 1, dtype=torch.float64)
    S, _ = compile_hook(rule.write, "write")(S=x, dS=x, m=x, mu=0.5)
    assert 0 < S.item() < 0.1  # tanh, tanh, tanh ... tends to 0
    assert rule.rule_hash != builtin_graph("momentum").rule_hash
