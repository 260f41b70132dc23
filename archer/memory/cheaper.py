"""The same hook with less arithmetic on tiles, for the kernels.

Every value is kept as a scalar times a tile: scalars are multiplied with each other, once for the
whole tile, and meet it where a sum or another function needs its value. Dividing by a root is
multiplying by rsqrt, and 1 / x of a vector is made before it meets a tile: a division takes many
instructions for every element. Adam's vector-Jacobian product had eight of them.

What is computed is the same but for rounding, and for the ends of fp32: a product of tiles is taken
before their scales, so tiles of 1e19 and more may overflow where the hook itself does not.
"""

from collections import Counter
from functools import lru_cache
from typing import NamedTuple

from archer.rules.builder import Builder, TooLargeError
from archer.rules.graph import Graph, Node

SCALAR = ("1", "1")


class Value(NamedTuple):
    """scale * tile, both nodes of the new graph; without a scale the tile alone."""

    scale: int | None
    tile: int


@lru_cache(maxsize=1024)
def cheaper(graph: Graph) -> Graph:
    """A graph of the same outputs; the graph itself where the new one would be too large."""
    try:
        return _Rewrite(graph).run()
    except TooLargeError:
        return graph


class _Rewrite:
    def __init__(self, graph: Graph) -> None:
        self.graph, self.build = graph, Builder()
        self.divides = Counter(node.args[1] for node in graph.nodes if node.op == "div")
        self.values: list[Value] = []

    def run(self) -> Graph:
        for node in self.graph.nodes:
            self.values.append(self.rewrite(node))
        return self.build.finish(
            {name: self.whole(self.values[i]) for name, i in self.graph.outputs}
        )

    def rewrite(self, node: Node) -> Value:
        if node.shape != SCALAR:
            match node.op:
                case "neg":
                    return self.scaled(self.build.const(-1.0), self.values[node.args[0]])
                case "mul":
                    return self.product(*(self.values[arg] for arg in node.args))
                case "div":
                    return self.quotient(*node.args)
                case "add" | "sub":
                    return self.sum(node.op, *(self.values[arg] for arg in node.args))
        if node.op in ("sum", "transpose", "matmul"):
            return self.linear(node)
        args = [self.whole(self.values[arg]) for arg in node.args]
        shape = node.shape if node.op == "input" else None
        return Value(None, self.build.add(node.op, *args, attr=node.attr, shape=shape))

    def whole(self, value: Value) -> int:
        """The node of the value itself."""
        if value.scale is None:
            return value.tile
        if self.build.is_const(value.scale, -1.0):
            return self.build.add("neg", value.tile)
        return self.build.add("mul", value.scale, value.tile)

    def is_scalar(self, value: Value) -> bool:
        return self.build.nodes[value.tile].shape == SCALAR

    def times(self, a: int | None, b: int | None) -> int | None:
        """The product of two scales."""
        if a is None or b is None:
            return b if a is None else a
        found = self.build.add("mul", a, b)
        return None if self.build.is_const(found, 1.0) else found

    def scaled(self, scalar: int, value: Value) -> Value:
        return Value(self.times(scalar, value.scale), value.tile)

    def product(self, a: Value, b: Value) -> Value:
        for scalar, other in ((a, b), (b, a)):
            if self.is_scalar(scalar):
                return self.scaled(self.whole(scalar), other)
        return Value(self.times(a.scale, b.scale), self.build.add("mul", a.tile, b.tile))

    def quotient(self, above: int, below: int) -> Value:
        a, b = self.values[above], self.values[below]
        if self.is_scalar(b):
            return self.scaled(self.inverse(self.whole(b)), a)
        node = self.build.nodes[b.tile]
        scale = None if b.scale is None else self.inverse(b.scale)
        a = Value(self.times(a.scale, scale), a.tile)
        if node.op == "sqrt":
            return self.product(a, Value(None, self.build.add("rsqrt", *node.args)))
        if "1" in node.shape or self.divides[below] > 1 or self.is_scalar(a):
            return self.product(a, Value(None, self.inverse(b.tile)))
        return Value(a.scale, self.build.add("div", a.tile, b.tile))

    def inverse(self, x: int) -> int:
        return self.build.add("div", self.build.const(1.0), x)

    def sum(self, op: str, a: Value, b: Value) -> Value:
        if a.tile == b.tile:
            one = self.build.const(1.0)
            scales = (one if x.scale is None else x.scale for x in (a, b))
            return self.scaled(self.build.add(op, *scales), Value(None, a.tile))
        if a.scale == b.scale:
            return Value(a.scale, self.build.add(op, a.tile, b.tile))
        return Value(None, self.build.add(op, self.whole(a), self.whole(b)))

    def linear(self, node: Node) -> Value:
        """A function that a factor of its arguments passes through."""
        values = [self.values[arg] for arg in node.args]
        scale = None
        for value in values:
            scale = self.times(scale, value.scale)
        tile = self.build.add(node.op, *(value.tile for value in values), attr=node.attr)
        return Value(scale, tile)
