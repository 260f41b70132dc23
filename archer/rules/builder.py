"""Builds one operation graph: shared subexpressions once, constants folded, dead nodes dropped."""

import math
from collections.abc import Callable, Mapping

from archer.rules import ops
from archer.rules.graph import Graph, Node
from archer.rules.validate import MAX_NODES

_FOLD: dict[str, Callable[..., float]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, b: a**b,
    "neg": lambda a: -a,
    "sqrt": math.sqrt,
}


class TooLargeError(ValueError):
    """More operations than a rule graph may hold."""


class Builder:
    """Appends nodes and hands back their indices; a node equal to an earlier one is that one."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._known: dict[Node, int] = {}

    def add(
        self,
        op: str,
        *args: int,
        attr: float | int | str | None = None,
        shape: ops.Shape | None = None,
        line: int | None = None,
    ) -> int:
        """Index of the node `op(args)`. Raises `ops.ShapeError` if the shapes do not fit, and
        TooLargeError beyond MAX_NODES.
        """
        folded = self._fold(op, args)
        if folded is not None:
            op, args, attr = "const", (), folded
        if op == "transpose" and self.nodes[args[0]].op == "transpose":
            return self.nodes[args[0]].args[0]
        if op == "transpose" and self.nodes[args[0]].shape == ("1", "1"):
            return args[0]
        shape = shape or ops.infer_shape(op, attr, [self.nodes[arg].shape for arg in args])
        node = Node(op, args, attr, shape, line)
        if node not in self._known:
            if len(self.nodes) == MAX_NODES:
                raise TooLargeError(f"more than {MAX_NODES} operations")
            self._known[node] = len(self.nodes)
            self.nodes.append(node)
        return self._known[node]

    def const(self, value: float, line: int | None = None) -> int:
        """A number; infinities become +-1e30, which every precision but half can hold."""
        value = float(max(-1e30, min(1e30, value)))
        return self.add("const", attr=value, line=line)

    def is_mask(self, index: int) -> bool:
        """Whether a node is a mask (true or false) and not a number."""
        node = self.nodes[index]
        if node.op == "transpose":
            node = self.nodes[node.args[0]]
        return node.op in ops.BOOLEAN

    def is_const(self, index: int, value: float | None = None) -> bool:
        """Whether a node is a constant (of that value, if given)."""
        node = self.nodes[index]
        return node.op == "const" and (value is None or node.attr == value)

    def _fold(self, op: str, args: tuple[int, ...]) -> float | None:
        if op not in _FOLD or not all(self.is_const(arg) for arg in args):
            return None
        try:
            value = float(_FOLD[op](*(self.nodes[arg].attr for arg in args)))
        except (ArithmeticError, ValueError, TypeError):
            return None
        return value if math.isfinite(value) else None

    def finish(self, outputs: Mapping[str, int], labels: Mapping[int, str] | None = None) -> Graph:
        """The graph of what `outputs` needs, nodes renumbered in their order of creation."""
        needed: set[int] = set()
        stack = list(outputs.values())
        while stack:
            index = stack.pop()
            if index not in needed:
                needed.add(index)
                stack.extend(self.nodes[index].args)
        order = {old: new for new, old in enumerate(sorted(needed))}
        nodes = []
        for old in sorted(needed):
            node = self.nodes[old]
            args = tuple(order[arg] for arg in node.args)
            label = labels.get(old) if labels else None
            nodes.append(Node(node.op, args, node.attr, node.shape, node.line, label))
        return Graph(tuple(nodes), tuple((name, order[i]) for name, i in outputs.items()))
