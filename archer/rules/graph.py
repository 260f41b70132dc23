"""A rule as data: three small operation graphs, its knobs, signals and slots.

The graph is what is run, stored, hashed and sent to workers; rule source never leaves the place
that traces it. Everything here is immutable and goes through JSON unchanged.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from archer.rules import ops
from archer.rules.base import ACTIVATIONS, RuleError

HOOKS = ("gate", "local", "write")
FORMAT = 1


@dataclass(frozen=True)
class Node:
    """One operation. `args` index earlier nodes; `line` and `label` only help people to read."""

    op: str
    args: tuple[int, ...]
    attr: float | int | str | None
    shape: ops.Shape
    line: int | None = field(default=None, compare=False)
    label: str | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Graph:
    """One hook: nodes in an order in which each follows its arguments, and named outputs."""

    nodes: tuple[Node, ...]
    outputs: tuple[tuple[str, int], ...]

    @cached_property
    def inputs(self) -> frozenset[str]:
        """Names of what the hook reads: "U", "slots.m", "knob.mu", "signal.eta", "step" ..."""
        return frozenset(str(node.attr) for node in self.nodes if node.op == "input")


@dataclass(frozen=True)
class KnobSpec:
    """A knob of a rule graph; see `archer.Knob`."""

    name: str
    default: float
    low: float
    high: float
    learn: bool = False
    log: bool = False


@dataclass(frozen=True)
class SignalSpec:
    """A signal of a rule graph; see `archer.Signal`."""

    name: str
    activation: str


def _hook_input(hook: str, name: str, slots: Iterable[str]) -> ops.Shape | None:
    own = {"gate": {"U": ("token", "d_v")}, "local": {"scores": ("query", "key")}}.get(hook)
    if own is None:
        own = dict.fromkeys(("S", "dS", *(f"slots.{slot}" for slot in slots)), ("d_k", "d_v"))
    if name == "step" or name.startswith("knob."):
        return "1", "1"
    return ("1", "token") if name.startswith("signal.") else own.get(name)


OUTPUT_SHAPE: dict[str, ops.Shape] = {
    "gate": ("token", "d_v"),
    "local": ("query", "key"),
    "write": ("d_k", "d_v"),
}


def default_graph(hook: str) -> Graph:
    """The hook as DeltaNet has it: gate U, local scores, write S + dS."""
    if hook == "write":
        shape = OUTPUT_SHAPE["write"]
        nodes = (
            Node("input", (), "S", shape),
            Node("input", (), "dS", shape),
            Node("add", (0, 1), None, shape),
        )
        return Graph(nodes, (("S", 2),))
    name = {"gate": "U", "local": "scores"}[hook]
    return Graph((Node("input", (), name, OUTPUT_SHAPE[hook]),), ((name, 0),))


@dataclass(frozen=True)
class RuleGraph:
    """A traced rule. Equal graphs compute the same thing; `rule_hash` also sees through names."""

    name: str
    gate: Graph
    local: Graph
    write: Graph
    knobs: tuple[KnobSpec, ...] = ()
    signals: tuple[SignalSpec, ...] = ()
    slots: tuple[str, ...] = ()
    chunk_size: int = 32

    @property
    def decay(self) -> str | None:
        """Name of the signal that sets the log-decay g, if the rule has one."""
        return next((s.name for s in self.signals if s.activation == "log_decay"), None)

    def hook(self, name: str) -> Graph:
        """The graph of "gate", "local" or "write"."""
        graph: Graph = getattr(self, name)
        return graph

    def is_default(self, hook: str) -> bool:
        """Whether the hook is DeltaNet's own."""
        return self.hook(hook) == default_graph(hook)

    def knob(self, name: str) -> KnobSpec:
        """The knob of that name. Raises KeyError."""
        return next(knob for knob in self.knobs if knob.name == name)

    def with_chunk_size(self, chunk_size: int) -> "RuleGraph":
        """The same rule stepping once per `chunk_size` tokens: another rule, unless it is delta."""
        return replace(self, chunk_size=chunk_size)

    def effective(self, length: int) -> "RuleGraph":
        """The rule that really acts on sequences of this length.

        Where a sequence fits one chunk nothing written is ever read, so `gate`, `write` and the
        slots fall away, with the knobs and signals only they use.
        """
        if length > self.chunk_size:
            return self
        used = self.local.inputs
        return replace(
            self,
            gate=default_graph("gate"),
            write=default_graph("write"),
            slots=(),
            knobs=tuple(k for k in self.knobs if f"knob.{k.name}" in used),
            signals=tuple(
                s for s in self.signals if f"signal.{s.name}" in used or s.name == self.decay
            ),
        )

    @cached_property
    def rule_hash(self) -> str:
        """Canonical hash of the mathematics: the same under any names of variables."""
        from archer.rules.canonical import rule_hash

        return rule_hash(self)

    def to_json(self) -> dict[str, Any]:
        """Plain data for `json.dumps`."""
        return {
            "format": FORMAT,
            "name": self.name,
            "chunk_size": self.chunk_size,
            "slots": list(self.slots),
            "knobs": [vars(knob) for knob in self.knobs],
            "signals": [vars(signal) for signal in self.signals],
            **{hook: _graph_to_json(self.hook(hook)) for hook in HOOKS},
        }


def _graph_to_json(graph: Graph) -> dict[str, Any]:
    nodes = [[n.op, list(n.args), n.attr, n.line, n.label] for n in graph.nodes]
    return {"nodes": nodes, "outputs": dict(graph.outputs)}


def rule_from_json(data: Mapping[str, Any]) -> RuleGraph:
    """Rebuild and validate a rule graph: operations, arguments and shapes are checked afresh.

    Raises RuleError for anything a tracer of this version could not have written.
    """
    try:
        if data["format"] != FORMAT:
            raise RuleError(f"rule graph of format {data['format']}", check="graph")
        slots = tuple(str(slot) for slot in data["slots"])
        rule = RuleGraph(
            name=str(data["name"]),
            knobs=tuple(KnobSpec(**knob) for knob in data["knobs"]),
            signals=tuple(SignalSpec(**signal) for signal in data["signals"]),
            slots=slots,
            chunk_size=int(data["chunk_size"]),
            **{hook: _graph_from_json(data[hook], hook, slots) for hook in HOOKS},
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise RuleError(f"not a rule graph: {error!r}", check="graph") from error
    _validate_names(rule)
    return rule


def _validate_names(rule: RuleGraph) -> None:
    known = {f"knob.{k.name}" for k in rule.knobs} | {f"signal.{s.name}" for s in rule.signals}
    for hook in HOOKS:
        unknown = {n for n in rule.hook(hook).inputs if n.startswith(("knob.", "signal."))} - known
        if unknown:
            raise RuleError(f"graph reads undeclared {sorted(unknown)}", check="graph")
    if {name for name, _ in rule.write.outputs} != {"S", *(f"slots.{s}" for s in rule.slots)}:
        raise RuleError("write does not return S and every slot", check="graph")
    if any(s.activation not in ACTIVATIONS for s in rule.signals) or rule.chunk_size < 1:
        raise RuleError("unknown activation or chunk size", check="graph")
    if sum(s.activation == "log_decay" for s in rule.signals) > 1:
        raise RuleError("more than one log_decay signal", check="graph")


def _graph_from_json(data: Mapping[str, Any], hook: str, slots: tuple[str, ...]) -> Graph:
    nodes: list[Node] = []
    for op, args, attr, line, label in data["nodes"]:
        if op not in ops.ALL_OPS or len(args) != ops.ARITY[op]:
            raise RuleError(f"operation {op!r} is not in the allow-list", check="operations")
        if any(not 0 <= arg < len(nodes) for arg in args):
            raise RuleError(f"{op} refers to a later node", check="graph")
        shape = _checked_shape(hook, slots, op, attr, [nodes[arg].shape for arg in args])
        nodes.append(Node(op, tuple(args), attr, shape, line, label))
    outputs = tuple((str(name), int(index)) for name, index in data["outputs"].items())
    if any(nodes[index].shape != OUTPUT_SHAPE[hook] for _, index in outputs):
        raise RuleError(f"{hook} returns a wrong shape", check="shapes")
    return Graph(tuple(nodes), outputs)


def _checked_shape(
    hook: str, slots: tuple[str, ...], op: str, attr: Any, shapes: list[ops.Shape]
) -> ops.Shape:
    if op == "input":
        shape = _hook_input(hook, str(attr), slots)
        if shape is None:
            raise RuleError(f"{hook} has no input {attr!r}", check="graph")
        return shape
    if op == "const" and not (isinstance(attr, int | float) and math.isfinite(attr)):
        raise RuleError(f"constant {attr!r} is not a finite number", check="graph")
    if op == "size" and attr not in ops.SIZES:
        raise RuleError(f"unknown size {attr!r}", check="graph")
    if op in (*ops.REDUCE, "softmax") and attr not in (-1, -2):
        raise RuleError(f"{op} over axis {attr!r}", check="graph")
    try:
        return ops.infer_shape(op, attr, shapes)
    except ops.ShapeError as error:
        raise RuleError(str(error), check="shapes") from error
