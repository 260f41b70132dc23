"""Proposals through the gates: what passes, what is refused by which gate, and in what words."""

import ast
import copy
import inspect
import itertools
import math
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from archer.research.gates import GATES, SECONDS, Known, cost, gate, known_rules
from archer.research.gates.behaviour import alike, behaviour
from archer.research.gates.known import why_known
from archer.research.gates.names import forbidden
from archer.research.gates.reading import LONGEST
from archer.research.gates.valid import validated
from archer.research.proposal import Proposal
from archer.research.verdict import Gated
from archer.rules.base import RuleError
from archer.rules.graph import RuleGraph
from archer.rules.load import BUILTIN, builtin_graph, load_graph, load_rule

# what is refused and why is the same in a process that has torch already
warm = pytest.mark.usefixtures("warm")

HEAD = (
    "import torch\nfrom archer import Knob, Rule, Signal, causal_softmax\n\n\nclass MyRule(Rule):\n"
)
NEW = """
    mu = Knob(0.9, low=0.0, high=1.0)
    slots = ("m",)

    def write(self, S, dS, slots, p):
        m = p.mu * slots.m + dS
        return S + (1 - p.mu) * m + 0.1 * dS, {"m": m}
"""


def source(body: str) -> str:
    return HEAD + textwrap.indent(textwrap.dedent(body).strip("\n"), "    ") + "\n"


def proposed(body: str, name: str = "my_rule", **options: Any) -> Proposal:
    return Proposal(name, "a reason", "a bottleneck", source(body), {}, ("delta",), **options)


@pytest.fixture
def graph_of(tmp_path: Path) -> Callable[[str], RuleGraph]:
    """Body of a rule class -> its graph, traced here."""

    def trace(body: str) -> RuleGraph:
        path = tmp_path / "my_rule.py"
        path.write_text(source(body))
        return load_graph(str(path))

    return trace


# -- through all gates ---------------------------------------------------------------------------


def test_a_new_rule_passes_every_gate(graph_of: Callable[[str], RuleGraph]) -> None:
    gated = gate(proposed(NEW), known_rules())
    assert [verdict.gate for verdict in gated.verdicts] == list(GATES)
    assert gated.passed, gated.failed
    assert gated.graph == graph_of(NEW)
    assert alike(gated.behaviour, behaviour(graph_of(NEW)))
    assert 0.1 < gated.cost < 20.0
    assert "scrubbed environment" in gated.protection
    assert all(0.0 <= verdict.seconds <= SECONDS[verdict.gate] for verdict in gated.verdicts)


REFUSED = {
    "no Python": ("def write(self, S dS):\n    return S", "parses", "my_rule.py:6: syntax error"),
    "an import": (
        "import os\nmu = Knob(0.5, low=0.0, high=1.0)",
        "names",
        "my_rule.py:6: import of os: a rule may import __future__, archer,",
    ),
    "an operation": (
        "def gate(self, U, p):\n    return U.cumsum(0)",
        "traces",
        "my_rule.py:7: gate: 'cumsum' is not an allowed operation; allowed are",
    ),
    "a sum over queries": (
        "def local(self, scores, p):\n    return scores / (1 + scores.sum(0))",
        "traces",
        "my_rule.py:7: local: reduces over queries, which lets a token see later ones",
    ),
    "a name that is not ASCII": (
        "def write(self, S, dS, slots, p):\n    η = 0.5 * dS\n    return S + η",
        "valid",
        "'η': names are at most 60 plain letters",
    ),
    "memory": ("x = [0] * 10**12", "traces", "my_rule.py:6: does not import: MemoryError"),
    "a signal before the mask": (
        """
        eta = Signal("sigmoid")

        def local(self, scores, p):
            return scores / (1 + (scores + p.eta).sum(-1))[:, None]
        """,
        "causal",
        "my_rule.py:9: local: looks ahead: reduces over keys where later tokens have their `eta`;",
    ),
    "a signal that shows past a threshold": (
        """
        eta = Signal("identity")

        def local(self, scores, p):
            ahead = (0.0 * scores + p.eta[None, :]).amax(-1, keepdim=True)
            return scores * (1.0 + torch.tanh(p.eta[:, None]) + torch.relu(ahead - 12.0))
        """,
        "causal",
        "my_rule.py:9: local: looks ahead: reduces over keys where later tokens have their `eta`;",
    ),
    "a division": ("def gate(self, U, p):\n    return U / U.abs()", "finite", "the memory is NaN"),
    "slow growth": (
        """
        slots = ("m",)

        def write(self, S, dS, slots, p):
            m = 2.0 * slots.m + dS * dS
            return S + dS + 1e-30 * m, {"m": m}
        """,
        "finite",
        "is not finite on random inputs, 4096 tokens",
    ),
    "a dead knob": (
        """
        mu = Knob(0.5, low=0.0, high=1.0)

        def write(self, S, dS, slots, p):
            return S + torch.tanh(dS) + 0.0 * p.mu
        """,
        "gradients",
        "no gradient reaches mu, so it has no effect",
    ),
    "a step per token": (
        "chunk_size = 1\n\ndef write(self, S, dS, slots, p):\n    return 0.9 * S + torch.tanh(dS)",
        "cost",
        "times the steps of delta, allowed is 24 times",
    ),
    "an old rule": (
        """
        decay = Knob(0.9, low=0.0, high=1.0)
        slots = ("speed",)

        def write(self, S, dS, slots, p):
            speed = (1 - p.decay) * dS + slots.speed * p.decay
            return speed + S, {"speed": speed}
        """,
        "novel",
        "the same mathematics as the known rule momentum",
    ),
    "an old rule in another form": (
        """
        mu = Knob(0.9, low=0.0, high=1.0)
        slots = ("m",)

        def write(self, S, dS, slots, p):
            m = slots.m + (1 - p.mu) * (dS - slots.m)
            return S + m, {"m": m}
        """,
        "novel",
        "computes what the known rule momentum computes, to 1e-9 on random inputs",
    ),
}


@warm
@pytest.mark.parametrize(("body", "gate_name", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(body: str, gate_name: str, message: str) -> None:
    gated = gate(proposed(body), known_rules())
    failed = gated.failed
    assert failed is not None
    assert failed.gate == gate_name, failed
    assert message in failed.reason
    assert (gated.graph, gated.behaviour) == (None, "")
    assert math.isnan(gated.cost)
    _nothing_after(gated, gate_name)


def _nothing_after(gated: Gated, name: str) -> None:
    place = GATES.index(name)
    assert all(verdict.passed for verdict in gated.verdicts[:place])
    assert [verdict.passed for verdict in gated.verdicts[place + 1 :]] == [None] * (10 - place)
    assert {v.reason for v in gated.verdicts[place + 1 :]} <= {f"not reached: {name!r} failed"}


@warm
@pytest.mark.parametrize(
    ("name", "seconds", "body"),
    [
        ("traces", 0.5, "while True:\n    pass"),
        ("shapes and dtypes", 0.0, NEW),
    ],
)
def test_a_gate_that_takes_too_long_fails_for_it(name: str, seconds: float, body: str) -> None:
    gated = gate(proposed(body), {}, seconds=SECONDS | {name: seconds})
    assert gated.failed is not None
    assert gated.failed.gate == name
    assert gated.failed.reason == f"was not done after {seconds:g} s, its limit"
    _nothing_after(gated, name)


@warm
def test_a_rule_tried_before_is_known_by_its_name(graph_of: Callable[[str], RuleGraph]) -> None:
    graph = graph_of(NEW)
    tried = {"candidate 7": Known("another hash", behaviour(graph))}
    gated = gate(proposed(NEW), tried)
    assert gated.failed is not None
    assert gated.failed.reason.startswith("computes what the known rule candidate 7 computes")


@warm
def test_knobs_of_the_proposal_are_probed() -> None:
    """With its default this rule is stable, with the proposal's value it is not."""
    body = """
    keep = Knob(0.5, low=0.0, high=4.0)

    def write(self, S, dS, slots, p):
        return p.keep * S + torch.tanh(dS)
    """
    assert gate(proposed(body), known_rules()).passed
    gated = gate(proposed(body, knobs={"keep": 3.5}), known_rules())
    assert gated.failed is not None
    assert gated.failed.gate == "finite"


def test_hostile_text_ends_at_the_parser() -> None:
    deep = Proposal("deep", "", "", "x = " + "(" * 9000 + ")" * 9000, {}, ())
    long = Proposal("long", "", "", "x = 1\n" * LONGEST, {}, ())
    empty = Proposal("\x1b[31m" * 99, "", "", "x = \x00 \ud800", {}, ())
    for proposal in (deep, long, empty):
        failed = gate(proposal, {}).failed
        assert failed is not None
        assert failed.gate == "parses"
        assert failed.reason.isprintable()


# -- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted((Path(__file__).parent / "hostile").glob("*.py")))
def test_every_hostile_rule_is_refused_by_its_names(path: Path) -> None:
    assert forbidden(ast.parse(path.read_text())) is not None


@pytest.mark.parametrize("name", BUILTIN)
def test_every_built_in_rule_may_use_its_names(name: str) -> None:
    text = Path(inspect.getfile(load_rule(name))).read_text()
    assert forbidden(ast.parse(text)) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import torch.utils", "import of torch.utils"),
        ("from torch import load", "torch.load"),
        ("from torch import *", "torch.*"),
        ("from dataclasses import sys", "dataclasses.sys"),
        ("from typing import sys", "typing.sys"),
        ("from . import x", "import of .:"),
        ("import torch\ntorch.load('x')", "torch.load"),
        ("import torch as t\nt.os.system('x')", "torch.os"),
        ("import torch\nload = torch.nn.modules", "torch.nn.modules"),
        ("import torch\nt = torch", "torch: a module may only be asked for its functions"),
        ("import torch.nn.functional as F\nF.os", "torch.nn.functional.os"),
        ("from torch import nn\nnn.Linear(3, 3)", "torch.nn.Linear"),
        ("().__class__.__mro__", ".__class__"),
        ("x = 1\nx._private", "._private"),
        ("def f(self):\n    return self.__dict__", ".__dict__"),
        ("exec('x')", "exec"),
        ("getattr(1, 'real')", "getattr"),
        ("open('x')", "open"),
        ("__import__('os')", "__import__"),
        ("__builtins__", "__builtins__"),
        ("def __getattr__(name): pass", "__getattr__"),
    ],
)
def test_forbidden_names(text: str, message: str) -> None:
    found = forbidden(ast.parse(text))
    assert found is not None
    assert message in found[1]
    assert found[0] == text.count("\n") + 1


def test_allowed_names() -> None:
    text = """
    from __future__ import annotations
    import math
    import torch
    import torch.nn.functional as F
    from dataclasses import dataclass
    from typing import Any
    from archer import Rule

    def _half(x: torch.Tensor) -> Any:
        return x * 0.5 + math.pi

    class A(Rule):
        def _own(self, x):
            return F.softplus(x) + torch.linalg.norm(x) + torch.nn.functional.silu(x)

        def gate(self, U, p):
            assert isinstance(self, A), "text"
            return self._own(_half(U)) + max(1, 2) + len(U.shape)
    """
    assert forbidden(ast.parse(textwrap.dedent(text))) is None


# -- valid ---------------------------------------------------------------------------------------


def _set(*path: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(data: Any) -> None:
        for key in path[:-1]:
            data = data[key]
        data[path[-1]] = value

    return change


def _deep(depth: int) -> Any:
    nested: Any = []
    for _ in range(depth):
        nested = [nested]
    return nested


# Nodes of momentum's write: [op, arguments, attribute, line, label].
FORGED = {
    "an operation": _set("write", "nodes", 4, 0, value="system"),
    "an operation that is no text": _set("write", "nodes", 4, 0, value={"a": 1}),
    "a later argument": _set("write", "nodes", 4, 1, value=[9, 9]),
    "a negative argument": _set("write", "nodes", 4, 1, value=[-1, 0]),
    "a label": _set("write", "nodes", 4, 4, value="x; import os"),
    "a label of other letters": _set("write", "nodes", 4, 4, value="ｔorch"),
    "a label without end": _set("write", "nodes", 4, 4, value="x" * 1000),
    "a line": _set("write", "nodes", 4, 3, value=10**30),
    "an attribute": _set("write", "nodes", 4, 2, value="__import__"),
    "an unknown input": _set("write", "nodes", 0, 2, value="secret"),
    "a deep input": _set("write", "nodes", 0, 2, value=_deep(900)),
    "an undeclared knob": _set("write", "nodes", 0, 2, value="knob.other"),
    "no nodes": _set("write", "nodes", value=[]),
    "an output": _set("write", "outputs", "S", value=99),
    "another output": _set("write", "outputs", "T", value=0),
    "a look ahead": _set(
        "local",
        value={
            "nodes": [
                ["input", [], "scores", None, None],
                ["sum", [0], -2, None, None],
                ["add", [0, 1], None, None, None],
            ],
            "outputs": {"scores": 2},
        },
    ),
    "a mask as numbers": _set(
        "local",
        value={
            "nodes": [["causal_mask", [], None, None, None]],
            "outputs": {"scores": 0},
        },
    ),
    "a constant that is none": _set(
        "local",
        value={
            "nodes": [
                ["input", [], "scores", None, None],
                ["const", [], float("nan"), None, None],
                ["mul", [0, 1], None, None, None],
            ],
            "outputs": {"scores": 2},
        },
    ),
    "an axis as a decimal": _set(
        "local",
        value={
            "nodes": [["input", [], "scores", None, None], ["softmax", [0], -1.0, None, None]],
            "outputs": {"scores": 1},
        },
    ),
    "a chunk size as text": _set("chunk_size", value="32"),
    "a chunk size": _set("chunk_size", value=10**6),
    "a format": _set("format", value=2),
    "another name": _set("name", value="other"),
    "something more": _set("more", value="a message"),
    "slots as text": _set("slots", value="m"),
    "a knob's bound": _set("knobs", 0, "high", value=float("inf")),
    "a knob's whole number": _set("knobs", 0, "high", value=1),
    "a knob learned by a list": _set("knobs", 0, "learn", value=[1]),
    "a knob on a log scale of 0": _set("knobs", 0, "log", value=True),
    "more of a knob": _set("knobs", 0, "more", value=1),
    "a signal": _set("signals", value=[{"name": "x", "activation": "system"}]),
    "many signals": _set(
        "signals", value=[{"name": f"x{i}", "activation": "tanh"} for i in range(40)]
    ),
    "a task of other letters": _set("expects", value={"m\x1b[31m": "up"}),
    "another expectation": _set("expects", value={"memorization": "high"}),
    "no dictionary": _set("write", value=None),
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_a_forged_graph_is_refused(forge: Callable[[dict[str, Any]], None]) -> None:
    data = copy.deepcopy(builtin_graph("momentum").to_json())
    data["knobs"] = [dict(knob) for knob in data["knobs"]]
    assert validated(data, "momentum", {}) == builtin_graph("momentum")
    forge(data)
    with pytest.raises(RuleError):
        validated(data, "momentum", {})


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        ({"nu": 0.5}, "the proposal sets nu, which is no knob of the rule"),
        ({"mu": 1.5}, "mu=1.5, outside its bounds"),
        ({"mu": math.nan}, "mu=nan, outside its bounds"),
    ],
)
def test_knobs_of_the_proposal_must_fit(knobs: dict[str, float], message: str) -> None:
    with pytest.raises(RuleError, match=message):
        validated(builtin_graph("momentum").to_json(), "momentum", knobs)


@warm
def test_the_rule_has_the_name_of_its_proposal() -> None:
    failed = gate(proposed(NEW, name="another"), {}).failed
    assert failed is not None
    assert failed.reason == "the rule is called 'my_rule', its proposal says 'another'"


def test_a_built_in_name_is_taken() -> None:
    own = Known("a hash", "1.0")
    assert why_known("delta", own, {}) == (
        "has the name of the built-in rule delta; give it a name of its own"
    )
    assert why_known("attention", own, {}).startswith("has the name of the peer attention; ")
    assert why_known("mine", own, {"other": Known("another", "2.0")}) == ""


# -- novel ---------------------------------------------------------------------------------------


def test_no_two_built_in_rules_behave_alike() -> None:
    known = known_rules()
    assert tuple(known) == BUILTIN
    for a, b in itertools.combinations(known.values(), 2):
        assert a.hash != b.hash
        assert not alike(a.behaviour, b.behaviour)


def test_rounding_does_not_make_a_rule_new() -> None:
    """Numbers that lie at a boundary of any rounding are compared, not cut off."""
    a = " ".join(str(x) for x in (0.5, 1.0, 0.123456789125))
    b = " ".join(str(x) for x in (0.5 + 4e-10, 1.0 - 4e-10, 0.123456789125 + 4e-10))
    c = " ".join(str(x) for x in (0.5 + 4e-9, 1.0, 0.123456789125))
    assert alike(a, b)
    assert not alike(a, c)
    assert not alike(a, a + " 1.0")
    assert not alike("nan", "nan")
    assert not alike(a, "text")


@pytest.mark.parametrize("name", ["momentum", "adam", "softmax_attention"])
@pytest.mark.parametrize("size", [1, 16, 512])
def test_chunk_size_makes_another_rule(name: str, size: int) -> None:
    graph = builtin_graph(name)
    assert not alike(behaviour(graph), behaviour(graph.with_chunk_size(size)))


@pytest.mark.parametrize("name", ["delta", "gated_delta"])
@pytest.mark.parametrize("size", [1, 17, 1024])
def test_but_not_of_the_delta_rules(name: str, size: int) -> None:
    graph = builtin_graph(name)
    assert alike(behaviour(graph), behaviour(graph.with_chunk_size(size)))


def test_a_learned_mix_that_begins_as_an_old_rule_is_new(
    graph_of: Callable[[str], RuleGraph],
) -> None:
    body = """
    mix = Knob(0.0, low=0.0, high=1.0, learn={learn})

    def write(self, S, dS, slots, p):
        return S + (1 - p.mix) * dS + p.mix * torch.tanh(dS)
    """
    delta = behaviour(builtin_graph("delta"))
    assert alike(behaviour(graph_of(body.format(learn=False))), delta)
    assert not alike(behaviour(graph_of(body.format(learn=True))), delta)


LEARNED = """
    {knobs}

    def write(self, S, dS, slots, p):
        return {write}
"""
TWO = ("a", "b"), "p.a * S + p.b * torch.tanh(dS)"
TIED = ("a",), "p.a * S + p.a * torch.tanh(dS)"


def _learned(names: tuple[str, ...], write: str) -> str:
    knobs = (f"{name} = Knob(0.5, low=0.0, high=1.0, learn=True)" for name in names)
    return LEARNED.format(knobs="\n    ".join(knobs), write=write)


@warm
def test_two_learned_knobs_that_start_alike_are_not_one(
    graph_of: Callable[[str], RuleGraph],
) -> None:
    tied = graph_of(_learned(*TIED))
    known = {"tied": Known(tied.rule_hash, behaviour(tied))}
    gated = gate(proposed(_learned(*TWO)), known)
    assert gated.passed, gated.failed
    assert why_known("again", Known("another hash", behaviour(tied)), known)


def test_names_and_order_of_learned_knobs_do_not_show(
    graph_of: Callable[[str], RuleGraph],
) -> None:
    renamed = ("y", "x"), "p.x * torch.tanh(dS) + p.y * S"
    turned = ("x", "y"), "p.x * torch.tanh(dS) + p.y * S"
    first, *others = (behaviour(graph_of(_learned(*form))) for form in (TWO, renamed, turned))
    assert all(alike(first, other) for other in others)


def test_order_and_names_of_signals_do_not_show(graph_of: Callable[[str], RuleGraph]) -> None:
    body = """
    {one}
    {two}

    def gate(self, U, p):
        return U * p.{eta}[:, None]
    """
    decay, eta = 'd = Signal("log_decay")', 'eta = Signal("sigmoid")'
    a = graph_of(body.format(one=decay, two=eta, eta="eta"))
    b = graph_of(body.format(one=eta.replace("eta", "x"), two=decay, eta="x"))
    assert alike(behaviour(a), behaviour(b))


def test_nor_do_those_of_signals_of_one_activation(
    graph_of: Callable[[str], RuleGraph],
) -> None:
    body = """
    {0} = Signal("sigmoid")
    {1} = Signal("sigmoid")
    a = Knob(0.5, low=0.0, high=1.0, learn=True)
    b = Knob(0.5, low=0.0, high=1.0, learn=True)

    def gate(self, U, p):
        return {gate}
    """
    x, y = "p.x[:, None]", "p.y[:, None]"
    one = f"p.a * U * {x} * (1.0 + p.b * {y})"
    same, other = f"p.a * U * {x} + p.a * p.b * (U * {x} * {y})", f"p.a * U * {x} * {y} + p.b * U"
    first, *others = (
        behaviour(graph_of(body.format(*names, gate=gate)))
        for names, gate in (("xy", one), ("yx", one), ("yx", same), ("xy", other))
    )
    assert [alike(first, each) for each in others] == [True, True, False]


# -- cost ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["delta", "adam_softmax", "gated_delta"])
def test_built_in_rules_are_cheap_enough(name: str) -> None:
    finding, relative = cost.cost(builtin_graph(name))
    assert finding.passed, finding.message
    assert 0.2 < relative < 10.0


def test_counts_are_the_same_every_time() -> None:
    graph = builtin_graph("adam")
    first, second = cost._marginal(graph, 128), cost._marginal(graph, 128)
    assert first == second
    assert first[0] == first[1]  # linear to the last operation and byte
    C, d = 32, 128
    engine = 5 * C * C * d + 3 * C * d * d + C**3 // 3
    assert cost.work(builtin_graph("delta")) == (engine + d * d) / C
    assert cost.work(graph) > cost.work(builtin_graph("delta"))


def test_cost_that_grows_with_the_square_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """No rule graph can do it; the gate would see it all the same."""

    def attention(rule: RuleGraph, inputs: dict[str, Tensor]) -> Tensor:
        q, k, v = (inputs[name][:, :, 0] for name in ("q", "k", "v"))
        return torch.softmax(q @ k.mT, -1) @ v

    monkeypatch.setattr(cost, "_forward", attention)
    finding, _ = cost.cost(builtin_graph("momentum"))
    assert not finding.passed
    assert finding.message == "bytes do not grow linearly with length"


def test_the_largest_chunk_is_too_much_work() -> None:
    finding, _ = cost.cost(builtin_graph("momentum").with_chunk_size(1024))
    assert not finding.passed
    assert f"times the work of delta, allowed is {cost.FACTORS['work']:g} times" in finding.message
