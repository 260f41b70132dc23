"""The vector-Jacobian product of a hook, as a graph of the same operations.

Given a graph y = f(x), builds the graph of x-bar = y-bar^T df/dx: inputs are f's own and one
"grad.<output>" per output, outputs one "grad.<input>" per input. Being made of allow-listed
operations, it is run and emitted by what runs and emits f.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache

from archer.rules import ops
from archer.rules.builder import Builder
from archer.rules.graph import Graph, Node


class _Tape:
    """A builder holding f's nodes, with an adjoint for each that has one."""

    def __init__(self, graph: Graph) -> None:
        self.build = Builder()
        self.index: list[int] = []  # f's node -> its node here
        for node in graph.nodes:
            args = [self.index[arg] for arg in node.args]
            shape = node.shape if node.op == "input" else None
            self.index.append(self.build.add(node.op, *args, attr=node.attr, shape=shape))
        self.adjoint: dict[int, int] = {}

    def shape(self, index: int) -> ops.Shape:
        return self.build.nodes[index].shape

    def op(self, name: str, *args: int, attr: int | None = None) -> int:
        return self.build.add(name, *args, attr=attr)

    def number(self, value: float) -> int:
        return self.build.const(value)

    def mul(self, a: int, b: int) -> int:
        if self.build.is_const(a, 1.0):
            return b
        return a if self.build.is_const(b, 1.0) else self.op("mul", a, b)

    def accumulate(self, index: int, adjoint: int) -> None:
        """Add to a value's adjoint, summed over the axes along which the value was broadcast."""
        wanted, got = self.shape(index), self.shape(adjoint)
        for axis in (-1, -2):
            if wanted[axis] == "1" and got[axis] != "1":
                adjoint = self.op("sum", adjoint, attr=axis)
        if index in self.adjoint:
            adjoint = self.op("add", self.adjoint[index], adjoint)
        self.adjoint[index] = adjoint


def _unary(tape: _Tape, node: Node, y: int, d: int) -> int:
    """Adjoint of the argument of a pointwise function y = op(x)."""
    x = node.args[0]
    op, mul, number = tape.op, tape.mul, tape.number
    match node.op:
        case "neg":
            return op("neg", d)
        case "exp":
            return mul(d, y)
        case "log":
            return op("div", d, x)
        case "sqrt":
            return op("div", mul(number(0.5), d), y)
        case "rsqrt":
            return mul(mul(number(-0.5), d), mul(y, mul(y, y)))
        case "tanh":
            return mul(d, op("sub", number(1.0), mul(y, y)))
        case "sigmoid":
            return mul(d, mul(y, op("sub", number(1.0), y)))
        case _:  # abs
            return mul(d, op("sign", x))


def _binary(tape: _Tape, node: Node, y: int, d: int) -> Iterable[tuple[int, int]]:
    """(argument, its adjoint) for arithmetic."""
    a, b = node.args
    op, mul = tape.op, tape.mul
    match node.op:
        case "add":
            return (a, d), (b, d)
        case "sub":
            return (a, d), (b, op("neg", d))
        case "mul":
            return (a, mul(d, b)), (b, mul(d, a))
        case "div":
            return (a, op("div", d, b)), (b, op("neg", op("div", mul(d, y), b)))
        case "pow":
            return _power(tape, a, b, y, d)
        case _:
            return _extremum(tape, node.op, a, b, d)


def _power(tape: _Tape, a: int, b: int, y: int, d: int) -> Iterable[tuple[int, int]]:
    one = tape.number(1.0)
    base = tape.mul(d, tape.mul(b, tape.op("pow", a, tape.op("sub", b, one))))
    if tape.build.is_const(b):
        return ((a, base),)
    # d/db a^b = a^b log a, taken as 0 at a = 0 as torch does, and NaN below
    is_zero = tape.op("eq", a, tape.number(0.0))
    log = tape.op("log", tape.op("where", is_zero, one, a))
    return (a, base), (b, tape.mul(d, tape.mul(y, log)))


def _extremum(tape: _Tape, name: str, a: int, b: int, d: int) -> Iterable[tuple[int, int]]:
    """Ties share the adjoint, as torch's maximum and minimum do."""
    zero, half = tape.number(0.0), tape.mul(tape.number(0.5), d)
    wins = tape.op("gt" if name == "maximum" else "lt", a, b)
    tie = tape.op("eq", a, b)
    to_a = tape.op("where", tie, half, tape.op("where", wins, d, zero))
    to_b = tape.op("where", tie, half, tape.op("where", wins, zero, d))
    return (a, to_a), (b, to_b)


def _reduction(tape: _Tape, node: Node, y: int, d: int) -> int:
    x, axis = node.args[0], node.attr
    if node.op == "sum":
        # as wide as x, so that what is summed over x's elements later counts each of them
        return tape.op("expand", d, x)
    is_best = tape.op("eq", x, y)
    mask = tape.op("where", is_best, tape.number(1.0), tape.number(0.0))
    assert isinstance(axis, int)
    ties = tape.op("sum", mask, attr=axis)
    return tape.mul(mask, tape.op("div", d, ties))


def _matmul(tape: _Tape, node: Node, d: int) -> Iterable[tuple[int, int]]:
    a, b = node.args
    return (
        (a, tape.op("matmul", d, tape.op("transpose", b))),
        (b, tape.op("matmul", tape.op("transpose", a), d)),
    )


def _softmax(tape: _Tape, node: Node, y: int, d: int) -> int:
    assert isinstance(node.attr, int)
    along = tape.op("sum", tape.mul(d, y), attr=node.attr)
    return tape.mul(y, tape.op("sub", d, along))


def _arguments(tape: _Tape, node: Node, y: int, d: int) -> Iterable[tuple[int, int]]:
    """(argument, its adjoint) for every argument of a node that takes one."""
    if node.op in ("add", "sub", "mul", "div", "pow", "maximum", "minimum"):
        return _binary(tape, node, y, d)
    if node.op == "expand":
        return ((node.args[0], d),)
    if node.op == "matmul":
        return _matmul(tape, node, d)
    if node.op == "where":
        mask, a, b = node.args
        zero = tape.number(0.0)
        return (
            (a, tape.op("where", mask, d, zero)),
            (b, tape.op("where", mask, zero, d)),
        )
    single: dict[str, Callable[[], int]] = {
        "transpose": lambda: tape.op("transpose", d),
        "softmax": lambda: _softmax(tape, node, y, d),
        **dict.fromkeys(ops.REDUCE, lambda: _reduction(tape, node, y, d)),
        **dict.fromkeys([op for op in ops.UNARY if op != "sign"], lambda: _unary(tape, node, y, d)),
    }
    return ((node.args[0], single[node.op]()),) if node.op in single else ()


@lru_cache(maxsize=512)
def vjp(graph: Graph, wanted: frozenset[str]) -> Graph:
    """The graph of the adjoints of the inputs named in `wanted`.

    Outputs "grad.<input>"; an input that the outputs do not depend on has no output.
    """
    tape = _Tape(graph)
    for name, index in graph.outputs:
        shape = graph.nodes[index].shape
        seed = tape.build.add("input", attr=f"grad.{name}", shape=shape)
        tape.accumulate(tape.index[index], seed)
    leads = {tape.index[position] for position in _leads_to(graph, wanted)}
    for here in sorted(leads, reverse=True):  # each once: equal nodes of f are one node here
        if here not in tape.adjoint:
            continue
        node = tape.build.nodes[here]
        for argument, adjoint in _arguments(tape, node, here, tape.adjoint[here]):
            if argument in leads:
                tape.accumulate(argument, adjoint)
    outputs = {
        f"grad.{node.attr}": tape.adjoint[tape.index[position]]
        for position, node in enumerate(graph.nodes)
        if node.op == "input" and node.attr in wanted and tape.index[position] in tape.adjoint
    }
    return tape.build.finish(outputs)


def _leads_to(graph: Graph, wanted: frozenset[str]) -> set[int]:
    """Nodes that depend on a wanted input through differentiable operations."""
    found: set[int] = set()
    for position, node in enumerate(graph.nodes):
        is_wanted = node.op == "input" and node.attr in wanted
        if is_wanted or (node.op not in ops.BOOLEAN and any(arg in found for arg in node.args)):
            found.add(position)
    return found
