"""The vector-Jacobian product of a hook, as a graph, against torch.autograd."""

import pytest
import torch
from torch import Tensor

from archer import Knob, Rule, Signal, causal_softmax
from archer.rules.graph import HOOKS, Graph, RuleGraph, rule_from_json
from archer.rules.load import BUILTIN, builtin_graph
from archer.rules.torch_source import compile_hook, hook_arguments, variable
from archer.rules.trace import trace
from archer.rules.vjp import vjp

SIZES = {"C": 5, "d_k": 4, "d_v": 6}
DIMS = {"token": 5, "query": 5, "key": 5, "d_k": 4, "d_v": 6, "1": 1}


class Unusual(Rule):
    """Every operation that the built-in rules leave out."""

    low = Knob(0.3, low=0.0, high=1.0)
    power = Knob(1.5, low=0.5, high=3.0)
    eta = Signal("tanh")

    def gate(self, U, p):
        largest = U.amax(dim=-1, keepdim=True) - U.amin(dim=0, keepdim=True)
        kept = torch.where(p.low < U, U, 0.5 * U) * torch.rsqrt(1 + U * U)
        return kept + torch.maximum(U, p.eta[:, None]) * torch.sigmoid(largest)

    def local(self, scores, p):
        rows = causal_softmax(scores * p.low) + torch.tril(scores) @ torch.tril(scores).T
        return rows * torch.log(2 + abs(scores)) + p.eta[:, None]

    def write(self, S, dS, slots, p):
        scale = (S * S).mean() ** p.power + dS.norm() / S.shape[0] ** 0.5
        return torch.minimum(S, dS) + torch.tanh(S) * scale - S @ dS.T @ dS / torch.exp(p.eta.sum())


def values(rule: RuleGraph, graph: Graph) -> dict[str, Tensor]:
    """Random float64 inputs of a hook; knobs at their defaults, slots positive."""
    torch.manual_seed(0)
    made = {}
    for node in graph.nodes:
        if node.op == "input":
            name = str(node.attr)
            value = torch.randn([DIMS[dim] for dim in node.shape], dtype=torch.float64)
            if name.startswith("knob."):
                value = torch.full_like(value, rule.knob(name.removeprefix("knob.")).default)
            made[name] = value.abs() if name.startswith("slots.") or name == "step" else value
    return made


def call(graph: Graph, given: dict[str, Tensor]) -> dict[str, Tensor]:
    arguments: dict[str, Tensor | float] = {variable(n): given[n] for n in graph.inputs}
    for name in hook_arguments(graph):
        if name in SIZES:
            arguments[name] = float(SIZES[name])
        elif name == "causal":
            arguments[name] = torch.ones(5, 5, dtype=torch.bool).tril()
    results = compile_hook(graph, "hook")(**arguments)
    return dict(zip((name for name, _ in graph.outputs), results, strict=True))


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize(
    "rule", [*map(builtin_graph, BUILTIN), trace(Unusual)], ids=lambda r: r.name
)
def test_equals_autograd(rule: RuleGraph, hook: str) -> None:
    graph = rule.hook(hook)
    given = {name: value.requires_grad_() for name, value in values(rule, graph).items()}
    outputs = call(graph, given)
    adjoints = {f"grad.{name}": torch.randn_like(value) for name, value in outputs.items()}
    wanted = sorted(graph.inputs - {"step"})
    expected = torch.autograd.grad(
        list(outputs.values()),
        [given[name] for name in wanted],
        list(adjoints.values()),
        allow_unused=True,
        materialize_grads=True,
    )
    got = call(vjp(graph, frozenset(wanted)), given | adjoints)
    for name, value in zip(wanted, expected, strict=True):
        found = got.get(f"grad.{name}", torch.zeros_like(value))
        torch.testing.assert_close(found.expand_as(value), value, rtol=1e-9, atol=1e-12)


def test_only_what_is_wanted_is_computed() -> None:
    graph = builtin_graph("momentum").write
    assert vjp(graph, frozenset({"S"})).inputs == {"grad.S"}
    assert "knob.mu" in vjp(graph, frozenset({"dS"})).inputs


def test_equal_nodes_of_a_stored_graph_count_once() -> None:
    """A tracer writes no node twice; a file may hold exp(U) + exp(U) as two nodes."""
    data = builtin_graph("delta").to_json()
    nodes = [["input", [], "U"], ["exp", [0], None], ["exp", [0], None], ["add", [1, 2], None]]
    data["gate"] = {"nodes": [[*node, None, None] for node in nodes], "outputs": {"U": 3}}
    rule = rule_from_json(data)
    assert len(rule.gate.nodes) == 4
    test_equals_autograd(rule, "gate")


@pytest.mark.parametrize("base", [-1.0, 0.0, 2.0])
def test_the_derivative_by_an_exponent_is_as_in_torch(base: float) -> None:
    class Exponent(Rule):
        a = Knob(2.0, low=1.0, high=3.0)

        def gate(self, U, p):
            return U**p.a

    graph = trace(Exponent).gate
    U, a = torch.full((5, 6), base).double(), torch.full((1, 1), 2.0).double().requires_grad_()
    (wanted,) = torch.autograd.grad((U**a).sum(), a)
    one = torch.ones(5, 6).double()
    got = call(vjp(graph, frozenset({"knob.a"})), {"U": U, "knob.a": a.detach(), "grad.U": one})
    torch.testing.assert_close(got["grad.knob.a"], wanted, equal_nan=True)
