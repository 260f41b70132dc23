"""Which operation of a rule is at fault where something is not finite: the first of its hook.

A variant of the rule is run for every operation that is suspected: its result stands in for the
hook's own, or is added to a knob at 0, whose gradient then is the operation's.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from archer.check.inputs import Inputs
from archer.memory.chunkwise import State
from archer.rules import ops
from archer.rules.graph import Graph, KnobSpec, Node, RuleGraph, default_graph

SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "pow": "**", "matmul": "@", "neg": "-"}
# Operations whose slope can be infinite.
STEEP = ("sqrt", "rsqrt", "log", "div", "pow")
PROBE = "_probe"  # no knob of an author's begins like this

Knobs = Mapping[str, float]


@dataclass(frozen=True)
class Blame:
    """An operation, as a message names it, and its line in the rule's file if it is known."""

    operation: str
    line: int | None


def of_values(rule: RuleGraph, data: Inputs) -> Blame | None:
    """The first operation whose result is not finite, from arguments that are."""
    if not _has_lines(rule):
        return None
    for piece, state in _chunks(rule, data):
        output, end = piece.proceed(rule, state)
        if not _finite(output, end.S, *end.slots.values()):
            return _first_value(rule, piece, state)
    return None


def of_gradients(rule: RuleGraph, data: Inputs, knobs: Knobs) -> Blame | None:
    """The first operation, going backward, that makes a gradient not finite."""
    if not _has_lines(rule):
        return None
    C = rule.chunk_size
    for n, (_, state) in enumerate(_chunks(rule, data)):
        two = data.part(n * C, (n + 1) * C + 1)  # the next token reads what is written here
        if not _finite(*_gradients(rule, two, state, knobs)):
            return _first_gradient(rule, two, state, knobs)
    return None


def _has_lines(rule: RuleGraph) -> bool:
    return any(node.line for hook in ops.HOOKS for node in rule.hook(hook).nodes)


def _finite(*values: Tensor) -> bool:
    return all(bool(value.isfinite().all()) for value in values)


def _chunks(rule: RuleGraph, data: Inputs) -> Iterator[tuple[Inputs, State | None]]:
    """Every chunk of a sequence with the state before it."""
    state = None
    for start in range(0, data.length, rule.chunk_size):
        piece = data.part(start, start + rule.chunk_size)
        yield piece, state
        with torch.no_grad():
            _, state = piece.proceed(rule, state)


def _first_value(rule: RuleGraph, piece: Inputs, state: State | None) -> Blame | None:
    for hook in ("local", "gate", "write"):
        graph = rule.hook(hook)
        at = next((i for _, i in graph.outputs if not _holds(rule, hook, i, piece, state)), None)
        while at is not None and not rule.is_default(hook):
            node = graph.nodes[at]
            if node.op == "input":  # what the hook was given is not finite already
                break
            bad = (arg for arg in node.args if not _holds(rule, hook, arg, piece, state))
            before = next(bad, None)
            if before is None:
                return _blame(hook, node)
            at = before
    return None


def _holds(rule: RuleGraph, hook: str, at: int, piece: Inputs, state: State | None) -> bool:
    """Whether the result of one operation is finite."""
    graph = rule.hook(hook)
    if graph.masks[at] or not _reads_inputs(graph)[at]:
        return True
    changed = {hook: _shown(graph, hook, at)}
    if hook != "write":
        changed["write"] = default_graph("write")
    if hook == "local":
        changed["gate"] = default_graph("gate")
    slots = rule.slots if hook == "write" else ()
    start = state and State(state.S, {slot: state.slots[slot] for slot in slots}, state.chunks)
    output, end = piece.proceed(replace(rule, slots=slots, **changed), start)  # type: ignore[arg-type]
    return _finite(output if hook == "local" else end.S)


def _reads_inputs(graph: Graph) -> list[bool]:
    """For each operation whether it is more than a plain number, made of constants and sizes."""
    found: list[bool] = []
    for node in graph.nodes:
        found.append(node.op == "input" or any(found[arg] for arg in node.args))
    return found


def _shown(graph: Graph, hook: str, at: int) -> Graph:
    """The hook returning zeros where operation `at` is finite and NaN where it is not."""
    nodes = list(graph.nodes[: at + 1])
    name, shape = next(iter(ops.HOOK_INPUTS[hook])), ops.OUTPUT_SHAPE[hook]

    def add(op: str, *args: int, attr: float | int | str | None = None, of: ops.Shape) -> int:
        nodes.append(Node(op, args, attr, of))
        return len(nodes) - 1

    size = add("abs", at, of=graph.nodes[at].shape)
    size = add("amax", size, attr=-1, of=(graph.nodes[at].shape[0], "1"))
    size = add("amax", size, attr=-2, of=("1", "1"))
    zero = add("mul", size, add("const", attr=0.0, of=("1", "1")), of=("1", "1"))
    like = add("input", attr=name, of=shape)
    outputs = [(name, add("expand", zero, like, of=shape))]
    for slot, _ in graph.outputs[1:]:
        outputs.append((slot, add("input", attr=slot, of=shape)))
    return Graph(tuple(nodes), tuple(outputs))


def _gradients(
    rule: RuleGraph, data: Inputs, state: State | None, knobs: Knobs, *names: str
) -> list[Tensor]:
    """Of the output's squares by every tensor, or by the knobs named."""
    leaves = data.map(lambda _, x: x.clone().requires_grad_())
    dtype = leaves.tensors["q"].dtype
    values = {name: torch.tensor(x, dtype=dtype).requires_grad_() for name, x in knobs.items()}
    held = {} if state is None else {"S": state.S} | state.slots
    held = {name: x.clone().requires_grad_() for name, x in held.items()}
    start = state and State(held.pop("S"), held, state.chunks)
    output, _ = leaves.proceed(rule, start, values)
    loss = (output * output).sum() + output.sum()
    before = [start.S, *start.slots.values()] if start else []
    targets = [values[name] for name in names] or [
        *leaves.tensors.values(),
        *values.values(),
        *before,
    ]
    return list(torch.autograd.grad(loss, targets, materialize_grads=True))


def _first_gradient(
    rule: RuleGraph, data: Inputs, state: State | None, knobs: Knobs
) -> Blame | None:
    for hook in ("local", "write", "gate"):
        graph = rule.hook(hook)
        if rule.is_default(hook):
            continue
        at = _last(graph, partial(_receives, rule, hook, data, state, knobs))
        users = [node for node in graph.nodes if at in node.args]
        if at is not None and users and at not in {i for _, i in graph.outputs}:
            return _blame(hook, next((n for n in users if n.op in STEEP), users[-1]))
    return None


def _last(graph: Graph, finite: Callable[[int], bool]) -> int | None:
    """The last operation whose gradient is not finite."""
    numbers = [i for i, node in enumerate(graph.nodes) if node.op not in ("const", "size")]
    numbers = [i for i in numbers if not graph.masks[i]]
    return next((i for i in reversed(numbers) if not finite(i)), None)


def _receives(
    rule: RuleGraph, hook: str, data: Inputs, state: State | None, knobs: Knobs, at: int
) -> bool:
    """Whether the gradient of one operation's result is finite."""
    probed = replace(
        rule,
        knobs=(*rule.knobs, KnobSpec(PROBE, 0.0, -1.0, 1.0)),
        **{hook: _probed(rule.hook(hook), at)},  # type: ignore[arg-type]
    )
    return _finite(*_gradients(probed, data, state, {**knobs, PROBE: 0.0}, PROBE))


def _probed(graph: Graph, at: int) -> Graph:
    """The hook with a knob added to operation `at`."""
    nodes: list[Node] = []
    places: dict[int, int] = {}
    for old, node in enumerate(graph.nodes):
        nodes.append(replace(node, args=tuple(places[arg] for arg in node.args)))
        if old == at:
            knob = Node("input", (), f"knob.{PROBE}", ("1", "1"))
            nodes += [knob, Node("add", (len(nodes) - 1, len(nodes)), None, node.shape)]
        places[old] = len(nodes) - 1
    outputs = tuple((name, places[index]) for name, index in graph.outputs)
    return Graph(tuple(nodes), outputs)


def _blame(hook: str, node: Node) -> Blame:
    return Blame(f"`{SIGNS.get(node.op, node.op)}` in {hook}", node.line)
