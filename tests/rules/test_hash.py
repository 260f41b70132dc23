"""The canonical hash: blind to names and arrangement, not to mathematics."""

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from archer.rules.base import Rule
from archer.rules.builder import Builder
from archer.rules.canonical import rule_hash
from archer.rules.graph import Graph, KnobSpec, RuleGraph, SignalSpec, default_graph
from archer.rules.load import BUILTIN, builtin_graph, load_graph
from archer.rules.trace import trace

Body = Callable[..., Path]

BASE = """
mu = Knob(0.9, low=0.0, high=1.0)
nu = Knob(0.9, low=0.0, high=2.0)
slots = ("m", "n")

def write(self, S, dS, slots, p):
    m = p.mu * slots.m + (1 - p.mu) * dS
    n = slots.n + p.nu * dS * dS
    return S + m / (n + 0.5), {"m": m, "n": n}
"""

SAME = {
    "names": """
        first = Knob(0.1, low=0.0, high=2.0)
        second = Knob(0.2, low=0.0, high=0.5)
        slots = ("a", "b")

        def write(self, S, dS, slots, p):
            x = slots.b + p.first * dS * dS
            y = p.second * slots.a + (1 - p.second) * dS
            return S + y / (x + 0.5), {"a": y, "b": x}
        """,
    "operands in another order": """
        mu = Knob(0.9, low=0.0, high=1.0)
        nu = Knob(0.9, low=0.0, high=2.0)
        slots = ("m", "n")

        def write(self, S, dS, slots, p):
            m = dS * (1 - p.mu) + slots.m * p.mu
            n = dS * p.nu * dS + slots.n
            return m / (0.5 + n) + S, {"n": n, "m": m}
        """,
    "grouped differently, nothing shared": """
        mu = Knob(0.9, low=0.0, high=1.0)
        nu = Knob(0.9, low=0.0, high=2.0)
        slots = ("m", "n")

        def write(self, S, dS, slots, p):
            n = slots.n + p.nu * dS**2
            step = (p.mu * slots.m + (1 - p.mu) * dS) / (0.5 + p.nu * dS * dS + slots.n)
            return step + S, {"m": (1 - p.mu) * dS + p.mu * slots.m, "n": n}
        """,
    "minus as plus": """
        mu = Knob(0.9, low=0.0, high=1.0)
        nu = Knob(0.9, low=0.0, high=2.0)
        slots = ("m", "n")

        def write(self, S, dS, slots, p):
            m = p.mu * slots.m + (1 + (-p.mu)) * dS
            n = slots.n - (-(p.nu * dS * dS))
            return S + m / (n - (-0.5)), {"m": m, "n": n}
        """,
}

CHANGES = {
    "a constant": ("0.5)", "0.25)"),
    "a constant's sign": ("+ 0.5)", "- 0.5)"),
    "plus to minus": ("S + m", "S - m"),
    "another knob": ("p.nu * dS * dS", "p.nu * p.mu * dS * dS"),
    "another slot": ("(n + 0.5)", "(slots.n + 0.5)"),
    "a power": ("dS * dS", "dS * dS * dS"),
    "sum to maximum": ("slots.n + p.nu", "slots.n * p.nu"),
    "a quotient turned round": ("m / (n + 0.5)", "(n + 0.5) / m"),
    "a function": ("m / (n + 0.5)", "m / torch.sqrt(n + 0.5)"),
}


@pytest.mark.parametrize("name", SAME)
def test_same_mathematics(name: str, rule_file: Body) -> None:
    first, second = rule_file(BASE, "first"), rule_file(SAME[name], "second")
    assert load_graph(str(first)).rule_hash == load_graph(str(second)).rule_hash


@pytest.mark.parametrize("name", CHANGES)
def test_other_mathematics(name: str, rule_file: Body) -> None:
    old, new = CHANGES[name]
    assert old in BASE
    changed = BASE.replace(old, new, 1)
    first, second = rule_file(BASE, "first"), rule_file(changed, "second")
    assert load_graph(str(first)).rule_hash != load_graph(str(second)).rule_hash


def test_sums_with_shared_parts() -> None:
    def outputs(*sums: tuple[int, ...]) -> str:
        """One graph of left-to-right sums of S, dS and the slots m, n."""
        builder = Builder()
        shape = ("d_k", "d_v")
        names = ("S", "dS", "slots.m", "slots.n")
        inputs = [builder.add("input", attr=name, shape=shape) for name in names]
        results = []
        for terms in sums:
            total = inputs[terms[0]]
            for term in terms[1:]:
                total = builder.add("add", total, inputs[term])
            results.append(total)
        graph = builder.finish(dict(zip(("S", "slots.m", "slots.n"), results, strict=True)))
        return rule_hash(_rule(graph, slots=("m", "n")))

    # in the second, S + dS is computed once and used by all three
    assert outputs((1, 2, 0), (0, 1), (3, 0, 1)) == outputs((0, 1, 2), (0, 1), (0, 1, 3))
    assert outputs((1, 2, 0), (0, 1), (3, 0, 1)) != outputs((0, 1, 2), (0, 1), (0, 0, 3))


def test_builtin_rules_are_all_different() -> None:
    assert len({builtin_graph(name).rule_hash for name in BUILTIN}) == len(BUILTIN)


@pytest.mark.parametrize("name", BUILTIN)
def test_chunk_size_is_part_of_every_rule_but_delta(name: str) -> None:
    rule = builtin_graph(name)
    same = rule.rule_hash == rule.with_chunk_size(16).rule_hash
    assert same == (name in ("delta", "gated_delta"))


@pytest.mark.parametrize("name", ["decay", "error_gated", "momentum", "adam"])
def test_on_one_chunk_it_is_delta(name: str) -> None:
    rule = builtin_graph(name)
    assert rule.effective(32).rule_hash == builtin_graph("delta").rule_hash
    assert rule.effective(33) == rule


def test_on_one_chunk_only_local_is_left() -> None:
    rule = builtin_graph("adam_softmax").effective(32)
    assert [knob.name for knob in rule.knobs] == ["gamma_local"]
    assert rule.slots == ()
    assert not rule.is_default("local")
    assert rule.is_default("write")
    assert builtin_graph("gated_delta").effective(8) == builtin_graph("gated_delta")


def test_a_decay_signal_differs_from_another_activation() -> None:
    sigmoid = replace(builtin_graph("gated_delta"), signals=(SignalSpec("decay", "sigmoid"),))
    assert sigmoid.rule_hash != builtin_graph("gated_delta").rule_hash


def test_signals_tell_their_activations_apart(rule_file: Body) -> None:
    body = """
    {}
    def gate(self, U, p):
        return p.eta[:, None] * U + torch.tanh(p.phi[:, None] * U)
    """
    first = 'eta, phi = Signal("sigmoid"), Signal("tanh")'
    second = 'eta, phi = Signal("tanh"), Signal("sigmoid")'
    hashes = [
        load_graph(str(rule_file(body.format(text), f"rule{n}"))).rule_hash
        for n, text in enumerate((first, second))
    ]
    assert hashes[0] != hashes[1]


def test_more_knobs_than_could_be_permuted() -> None:
    def rule(order: list[int]) -> RuleGraph:
        """S + sum_i (i + 1) knob_i dS ** (i + 1), with the knobs declared in some order."""
        builder = Builder()
        S, dS = (builder.add("input", attr=n, shape=("d_k", "d_v")) for n in ("S", "dS"))
        total, power = S, dS
        for i in order:
            knob = builder.add("input", attr=f"knob.x{order.index(i)}", shape=("1", "1"))
            factor = builder.add("mul", knob, builder.const(i + 1.0))
            total = builder.add("add", total, builder.add("mul", factor, power))
        return _rule(builder.finish({"S": total}), knobs=[f"x{n}" for n in range(len(order))])

    straight = rule(list(range(12)))
    assert rule(random.Random(0).sample(range(12), 12)).rule_hash == straight.rule_hash
    assert rule([0, *range(11)]).rule_hash != straight.rule_hash


def test_given_knobs_stand_for_themselves() -> None:
    momentum, decay = builtin_graph("momentum"), builtin_graph("decay")
    assert rule_hash(momentum, {"mu": "0.9"}) == rule_hash(momentum, {"mu": "0.9"})
    assert rule_hash(momentum, {"mu": "0.9"}) != rule_hash(momentum, {"mu": "0.8"})
    assert rule_hash(momentum, {"mu": "0.9"}) != rule_hash(decay, {"lam": "0.9"})


# Learned knobs a, b, c that start alike, as Python uses them in (gate, local, write).
TIED = {
    "two in one hook": ("U", "scores", "p.a * S + p.b * dS"),
    "one in one hook": ("U", "scores", "p.a * S + p.a * dS"),
    "two between chunks": ("p.a * U", "scores", "p.b * S + dS"),
    "one between chunks": ("p.a * U", "scores", "p.a * S + dS"),
    "two, one inside": ("U", "p.a * scores", "p.b * S + dS"),
    "one, also inside": ("U", "p.a * scores", "p.a * S + dS"),
    "two of three inside": ("U", "scores * (p.a + scores * p.b)", "p.a * S + p.c * dS"),
    "the other of three inside": ("U", "scores * (p.a + scores * p.b)", "p.b * S + p.c * dS"),
    "three, none shared": ("U", "scores * (p.a + scores * p.b)", "p.c * S + dS"),
}


def _learned_hash(rule_file: Body, hooks: tuple[str, str, str], names: str = "abc") -> str:
    """The hash with every learned knob written alike, under these names."""
    gate, local, write = hooks
    text = f"""
    def gate(self, U, p):
        return {gate}

    def local(self, scores, p):
        return {local}

    def write(self, S, dS, slots, p):
        return {write}
    """
    used = [new for old, new in zip("abc", names, strict=True) if f"p.{old}" in text]
    for place, old in enumerate("abc"):
        text = text.replace(f"p.{old}", f"p.<{place}>")
    for place, new in enumerate(names):
        text = text.replace(f"<{place}>", new)
    knobs = "\n".join(f"    {name} = Knob(0.5, low=0.0, high=1.0)" for name in sorted(used))
    graph = load_graph(str(rule_file(f"{knobs}\n{text}")))
    return rule_hash(graph, dict.fromkeys(used, "0.5 learned"), used)


def test_learned_knobs_that_start_alike_are_told_apart(rule_file: Body) -> None:
    hashes = {name: _learned_hash(rule_file, hooks) for name, hooks in TIED.items()}
    assert len(set(hashes.values())) == len(TIED), hashes


@pytest.mark.parametrize("name", TIED)
def test_by_what_they_do_and_not_by_their_names(name: str, rule_file: Body) -> None:
    hashes = {_learned_hash(rule_file, TIED[name], names) for names in ("abc", "cab", "bca", "xyz")}
    assert len(hashes) == 1


def test_fixed_knobs_of_one_value_are_one_number(rule_file: Body) -> None:
    body = """
    a, b = Knob(0.5, low=0.0, high=1.0), Knob(0.2, low=0.0, high=1.0)

    def write(self, S, dS, slots, p):
        return p.a * S + p.{} * dS + 0.0 * p.b
    """
    two, one = (load_graph(str(rule_file(body.format(x), f"rule_{x}"))) for x in "ba")
    texts = {"a": "0.5", "b": "0.5"}
    assert rule_hash(two, texts) == rule_hash(one, texts)
    assert rule_hash(two, texts, ("a", "b")) != rule_hash(one, texts, ("a", "b"))


# -- random rules --------------------------------------------------------------------------------

LEAVES = ("S", "dS", "slots.m", "slots.n", "knob.a", "knob.b", "const")
RENAMED = {"slots.m": "slots.n", "slots.n": "slots.m", "knob.a": "knob.b", "knob.b": "knob.a"}


def _random_tree(rng: random.Random, depth: int) -> Any:
    """Nested (op, children); a leaf is a name or a number found nowhere else."""
    if depth == 0 or rng.random() < 0.15:
        leaf = rng.choice(LEAVES)
        return rng.uniform(-2, 2) if leaf == "const" else leaf
    op = rng.choice(["add", "add", "mul", "mul", "sub", "div", "maximum", "tanh", "exp", "neg"])
    count = 1 if op in ("tanh", "exp", "neg") else rng.randint(2, 4) if op in ("add", "mul") else 2
    children = [_random_tree(rng, depth - 1) for _ in range(count)]
    numbers = [n for n, child in enumerate(children) if _is_number(child)]
    for n in numbers[1:]:  # constants side by side would be folded into one
        children[n] = "dS"
    return op, children


def _is_number(tree: Any) -> bool:
    if isinstance(tree, tuple):
        return tree[0] not in ("tanh", "exp") and all(_is_number(child) for child in tree[1])
    return isinstance(tree, float)


def _build(tree: Any, builder: Builder, rng: random.Random | None, names: dict[str, str]) -> int:
    """Adds a tree to a graph; with `rng` in a random order and grouping."""
    if isinstance(tree, float):
        return builder.const(tree)
    if isinstance(tree, str):
        shape = ("1", "1") if tree.startswith("knob.") else ("d_k", "d_v")
        return builder.add("input", attr=names.get(tree, tree), shape=shape)
    op, children = tree
    if rng and op == "sub" and rng.random() < 0.5:
        op, children = "add", [children[0], ("neg", [children[1]])]
    built = [_build(child, builder, rng, names) for child in children]
    if rng and op in ("add", "mul", "maximum"):
        rng.shuffle(built)
    if len(built) == 1:
        return builder.add(op, built[0])
    while len(built) > 1:  # join two neighbours: the first ones, or any
        at = rng.randrange(len(built) - 1) if rng and op != "sub" and op != "div" else 0
        built[at : at + 2] = [builder.add(op, *built[at : at + 2])]
    return built[0]


def _rule(write: Graph, slots: tuple[str, ...] = (), knobs: Any = ()) -> RuleGraph:
    specs = tuple(KnobSpec(name, 0.5, 0.0, 1.0) for name in knobs)
    gate, local = default_graph("gate"), default_graph("local")
    return RuleGraph("random", gate, local, write, knobs=specs, slots=slots)


def _random_rule(trees: list[Any], rng: random.Random | None, names: dict[str, str]) -> RuleGraph:
    builder = Builder()
    results = [_build(("add", ["S", tree]), builder, rng, names) for tree in trees]
    outputs = ("S", names.get("slots.m", "slots.m"), names.get("slots.n", "slots.n"))
    graph = builder.finish(dict(zip(outputs, results, strict=True)))
    return _rule(graph, slots=("m", "n"), knobs=("a", "b"))


def _numbers(tree: Any) -> list[float]:
    if isinstance(tree, tuple):
        return [number for child in tree[1] for number in _numbers(child)]
    return [tree] if isinstance(tree, float) else []


def _replaced(tree: Any, old: float, new: float) -> Any:
    if isinstance(tree, tuple):
        return tree[0], [_replaced(child, old, new) for child in tree[1]]
    return new if tree == old and isinstance(tree, float) else tree


@pytest.mark.parametrize("seed", range(60))
def test_random_rules(seed: int) -> None:
    rng = random.Random(seed)
    trees = [_random_tree(rng, 4) for _ in range(3)]
    plain = _random_rule(trees, None, {})
    for _ in range(3):
        assert _random_rule(trees, rng, RENAMED).rule_hash == plain.rule_hash
    for number in _numbers(("all", trees)):
        changed = [_replaced(tree, number, number + 0.001) for tree in trees]
        assert _random_rule(changed, None, {}).rule_hash != plain.rule_hash


def test_deltas_own_write_in_another_order_is_still_delta() -> None:
    class Swapped(Rule):
        def write(self, S, dS, slots, p):
            return dS + S

    graph = trace(Swapped)
    assert graph.is_default("write")
    assert graph.rule_hash == builtin_graph("delta").rule_hash
    assert not builtin_graph("momentum").is_default("write")
