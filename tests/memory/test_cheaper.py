"""The kernels' form of a hook computes what the hook does, with less on tiles."""

import inspect
import json
from pathlib import Path

import pytest
import torch

from archer.memory.cheaper import cheaper
from archer.memory.kernels import Kernels, Shape
from archer.rules.builder import Builder
from archer.rules.graph import HOOKS, Graph, RuleGraph, rule_from_json
from archer.rules.load import BUILTIN, builtin_graph
from archer.rules.torch_source import compile_hook, variable

RECORDS = Path(__file__).parents[2] / "records"
SIZES = {"d_k": 5, "d_v": 4, "token": 6, "query": 6, "key": 6, "1": 1}


def graphs(rule: RuleGraph) -> list[Graph]:
    """The hooks of a rule and their vector-Jacobian products, every knob learned."""
    shape = Shape(32, 128, 128, 32, 128, 64, bf16=True, unit=True)
    kernels = Kernels(rule, shape, frozenset(knob.name for knob in rule.knobs))
    return [graph for hook in HOOKS for graph in (rule.hook(hook), kernels.vjps[hook])]


def evaluate(graph: Graph, given: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    function = compile_hook(graph, "hook")
    named = {variable(name): value for name, value in given.items()}
    named |= {"C": 6, "d_k": 5, "d_v": 4, "causal": torch.ones(6, 6, dtype=torch.bool).tril()}
    return list(function(**{name: named[name] for name in inspect.signature(function).parameters}))


def random_inputs(graph: Graph) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    shapes = {str(n.attr): [SIZES[d] for d in n.shape] for n in graph.nodes if n.op == "input"}
    return {name: torch.rand(shape).double() + 0.1 for name, shape in sorted(shapes.items())}


def work(graph: Graph) -> int:
    """Operations on tiles, a division counted as five."""
    tiles = [n for n in graph.nodes if n.op != "input" and "1" not in n.shape]
    return sum(5 if node.op == "div" else 1 for node in tiles)


def check(rule: RuleGraph) -> None:
    """Same outputs, from no more operations."""
    for graph in graphs(rule):
        given = random_inputs(graph)
        new = cheaper(graph)
        for a, b in zip(evaluate(graph, given), evaluate(new, given), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14, equal_nan=True)
        assert [out for out, _ in new.outputs] == [out for out, _ in graph.outputs]
        assert work(new) <= work(graph)


@pytest.mark.parametrize("name", BUILTIN)
def test_built_in_rules(name: str) -> None:
    check(builtin_graph(name))


def test_every_rule_that_a_recorded_search_has_proposed() -> None:
    files = sorted(RECORDS.glob("*/rules/*.json"))
    assert len(files) > 50
    for path in files:
        check(rule_from_json(json.loads(path.read_text())))


def test_adam_divides_no_tile() -> None:
    """Its vector-Jacobian product had eight divisions for every element of a tile."""
    before = graphs(builtin_graph("adam"))[-1]
    after = cheaper(before)
    divided = [
        [n for n in g.nodes if n.op == "div" and "1" not in n.shape] for g in (before, after)
    ]
    assert len(divided[0]) >= 8
    assert not divided[1]
    assert work(after) < 0.5 * work(before)


def one(make: str) -> Graph:
    """A small graph of S [d_k, d_v], dS and a scalar knob."""
    build = Builder()
    names = {"S": ("d_k", "d_v"), "dS": ("d_k", "d_v"), "knob.mu": ("1", "1")}
    S, dS, mu = (build.add("input", attr=name, shape=shape) for name, shape in names.items())
    op = build.add
    found = {
        "twice": lambda: op("add", S, S),
        "nothing": lambda: op("sub", S, S),
        "shared factor": lambda: op("add", op("mul", mu, S), op("mul", mu, dS)),
        "negatives": lambda: op("sub", op("neg", S), op("neg", dS)),
        "factor of a sum": lambda: op("sum", op("mul", mu, S), attr=-1),
        "factors of a product": lambda: op("mul", op("div", S, mu), op("neg", dS)),
        "divided scalar": lambda: op("div", mu, op("mul", mu, S)),
        "by a vector": lambda: op("div", op("neg", S), op("sum", dS, attr=-1)),
        "by a root": lambda: op("div", S, op("mul", mu, op("sqrt", dS))),
        "by one tile, twice": lambda: op("add", op("div", S, dS), op("div", mu, dS)),
    }[make]()
    return build.finish({"S": found})


@pytest.mark.parametrize(
    ("make", "most"),
    [
        ("twice", 1),
        ("nothing", 1),
        ("shared factor", 2),
        ("negatives", 2),
        ("factor of a sum", 0),
        ("factors of a product", 2),
        ("divided scalar", 6),
        ("by a vector", 2),
        ("by a root", 3),
        ("by one tile, twice", 8),
    ],
)
def test_small_graphs(make: str, most: int) -> None:
    graph = one(make)
    given = random_inputs(graph)
    (a,), (b,) = evaluate(graph, given), evaluate(cheaper(graph), given)
    torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)
    assert work(cheaper(graph)) <= most
