"""A rule as data: three small operation graphs, its knobs, signals and slots.

The graph is what is run, stored, hashed and sent to workers; rule source never leaves the place
that traces it. Everything here is immutable and goes through JSON unchanged.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from archer.rules import canonical, ops
from archer.rules.base import RuleError, check_expects
from archer.rules.validate import MAX_NODES, check_rule, is_plain_name, node_shape

HOOKS = ops.HOOKS
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
    def masks(self) -> tuple[bool, ...]:
        """For each node whether it is a mask (true or false) and not a number."""
        masks: list[bool] = []
        for node in self.nodes:
            masks.append(ops.is_mask(node.op, [masks[arg] for arg in node.args]))
        return tuple(masks)

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


def default_graph(hook: str) -> Graph:
    """The hook as DeltaNet has it: gate U, local scores, write S + dS."""
    if hook == "write":
        shape = ops.OUTPUT_SHAPE["write"]
        nodes = (
            Node("input", (), "S", shape),
            Node("input", (), "dS", shape),
            Node("add", (0, 1), None, shape),
        )
        return Graph(nodes, (("S", 2),))
    name = {"gate": "U", "local": "scores"}[hook]
    return Graph((Node("input", (), name, ops.OUTPUT_SHAPE[hook]),), ((name, 0),))


@dataclass(frozen=True)
class RuleGraph:
    """A traced rule. Equal graphs compute the same thing; `rule_hash` also sees through names.

    expects: (task, "up" | "down" | "same") as its author states; no part of what the rule is.
    about: what its author wrote of it, None where nobody kept it; no part either, nor of its JSON.
    """

    name: str
    gate: Graph
    local: Graph
    write: Graph
    knobs: tuple[KnobSpec, ...] = ()
    signals: tuple[SignalSpec, ...] = ()
    slots: tuple[str, ...] = ()
    chunk_size: int = 32
    expects: tuple[tuple[str, str], ...] = field(default=(), compare=False)
    about: str | None = field(default=None, compare=False)

    @property
    def decay(self) -> str | None:
        """Name of the signal that sets the log-decay g, if the rule has one."""
        return next((s.name for s in self.signals if s.activation == "log_decay"), None)

    def hook(self, name: str) -> Graph:
        """The graph of "gate", "local" or "write"."""
        graph: Graph = getattr(self, name)
        return graph

    def is_default(self, hook: str) -> bool:
        """Whether the hook is DeltaNet's own, in whatever order it is written."""
        return hook in self._default_hooks

    @cached_property
    def _default_hooks(self) -> frozenset[str]:
        digest = canonical.hook_digest
        own = {hook: digest(self.hook(hook)) for hook in HOOKS}
        return frozenset(hook for hook in HOOKS if own[hook] == digest(default_graph(hook)))

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
        return canonical.rule_hash(self)

    def to_json(self) -> dict[str, Any]:
        """Plain data for `json.dumps`."""
        return {
            "format": FORMAT,
            "name": self.name,
            "chunk_size": self.chunk_size,
            "slots": list(self.slots),
            "knobs": [vars(knob) for knob in self.knobs],
            "signals": [vars(signal) for signal in self.signals],
            **({"expects": dict(self.expects)} if self.expects else {}),
            **{hook: _graph_to_json(self.hook(hook)) for hook in HOOKS},
        }


def _graph_to_json(graph: Graph) -> dict[str, Any]:
    nodes = [[n.op, list(n.args), n.attr, n.line, n.label] for n in graph.nodes]
    return {"nodes": nodes, "outputs": dict(graph.outputs)}


def rule_from_json(data: Mapping[str, Any]) -> RuleGraph:
    """Rebuild and validate a rule graph: operations, names and shapes are checked afresh.

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
            expects=check_expects(data.get("expects", {})),
            about=None,
            **{hook: _graph_from_json(data[hook], hook, slots) for hook in HOOKS},
        )
        check_rule(rule)
    except (KeyError, TypeError, ValueError, IndexError, ArithmeticError, AttributeError) as error:
        raise RuleError(f"not a rule graph: {error!r}", check="graph") from error
    return rule


def _graph_from_json(data: Mapping[str, Any], hook: str, slots: tuple[str, ...]) -> Graph:
    if len(data["nodes"]) > MAX_NODES:
        raise RuleError(f"{hook}: more than {MAX_NODES} operations", check="graph")
    nodes: list[Node] = []
    masks: list[bool] = []
    for op, args, attr, line, label in data["nodes"]:
        if op not in ops.ALL_OPS or len(args) != ops.ARITY[op]:
            raise RuleError(f"operation {op!r} is not in the allow-list", check="operations")
        if any(type(arg) is not int or not 0 <= arg < len(nodes) for arg in args):
            raise RuleError(f"{op} must refer to earlier nodes, not {args}", check="graph")
        if not (label is None or is_plain_name(label)) or not isinstance(line, int | None):
            raise RuleError(f"label {label!r} or line {line!r} of {op}", check="graph")
        shape = node_shape(hook, slots, op, attr, [(nodes[a].shape, masks[a]) for a in args])
        attr = float(attr) if op == "const" else attr
        nodes.append(Node(op, tuple(args), attr, shape, line, label))
        masks.append(ops.is_mask(op, [masks[arg] for arg in args]))
    outputs = tuple((str(name), index) for name, index in data["outputs"].items())
    for _, index in outputs:
        if type(index) is not int or not 0 <= index < len(nodes):
            raise RuleError(f"{hook} returns a node that does not exist", check="graph")
        if not ops.fits_output(hook, nodes[index].shape) or masks[index]:
            raise RuleError(f"{hook} returns a wrong shape", check="shapes")
    return Graph(tuple(nodes), outputs)
