"""From a hook's graph to Triton: the same operations on tiles of one program.

A value of shape [a, b] is a tile [Ba, Bb], a vector [1, b] or [a, 1] keeps its axis of one, and a
scalar ["1", "1"] is a Triton scalar. Tiles may be wider than the values they hold (powers of two,
at least 16): whatever is reduced is masked to its true size first. Everything is fp32. A hook can
be emitted transposed, every tile [b, a]: the kernels of small heads keep U and S that way.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from archer.rules import ops
from archer.rules.graph import Graph, Node

BLOCKS = dict.fromkeys(ops.TOKEN_DIMS, "BC") | {"d_k": "BK", "d_v": "BV"}
_INFIX = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "div": "/",
    "lt": "<",
    "le": "<=",
    "gt": ">",
    "ge": ">=",
    "eq": "==",
    "ne": "!=",
    "and": "&",
    "or": "|",
}
_CALLS = {
    "exp": "tl.exp({0})",
    "log": "tl.log({0})",
    "sqrt": "tl.sqrt({0})",
    "rsqrt": "tl.rsqrt({0})",
    "sigmoid": "tl.sigmoid({0})",
    "tanh": "(2.0 * tl.sigmoid(2.0 * {0}) - 1.0)",
    "abs": "tl.abs({0})",
    "neg": "(-{0})",
    "not": "({0} == 0)",
    "sign": "(tl.where({0} > 0, 1.0, 0.0) - tl.where({0} < 0, 1.0, 0.0))",
    "maximum": "tl.maximum({0}, {1})",
    "minimum": "tl.minimum({0}, {1})",
    "where": "tl.where({0}, {1}, {2})",
    "pow": "power({0}, {1})",
}


@dataclass(frozen=True)
class Tiling:
    """True sizes and tile sizes. Masks `token_ok`, `k_ok`, `v_ok` [B] must be in scope."""

    sizes: Mapping[str, int]  # "C", "d_k", "d_v"
    blocks: Mapping[str, int]  # "BC", "BK", "BV"

    def is_padded(self, dim: str) -> bool:
        name = "C" if dim in ops.TOKEN_DIMS else dim
        return self.sizes[name] % self.blocks[BLOCKS[dim]] != 0

    def mask(self, dim: str, axis: int) -> str:
        """Where axis 0 or 1 of a tile holds true elements, shaped to broadcast."""
        name = {"d_k": "k_ok", "d_v": "v_ok"}.get(dim, "token_ok")
        return f"{name}[None, :]" if axis == 1 else f"{name}[:, None]"


class Emitter:
    """Writes one graph as lines of Triton, prefixing every name it makes."""

    def __init__(self, tiling: Tiling, prefix: str, *, transposed: bool = False) -> None:
        self.tiling, self.prefix, self.transposed = tiling, prefix, transposed
        self.lines: list[str] = []

    def run(self, graph: Graph, inputs: Mapping[str, str]) -> dict[str, str]:
        """Expressions of the graph's outputs, given those of its inputs."""
        names: list[str] = []
        self.shapes = [node.shape for node in graph.nodes]
        for index, node in enumerate(graph.nodes):
            if node.op == "input":
                names.append(inputs[str(node.attr)])
            elif node.op == "const":
                names.append(f"({float(node.attr or 0.0)!r})")
            elif node.op == "size":
                names.append(f"{float(self.tiling.sizes[str(node.attr)])!r}")
            elif node.op == "causal_mask":
                names.append("tl.trans(causal)" if self.transposed else "causal")
            else:
                name = f"{self.prefix}{index}"
                text = self.expression(node, [names[arg] for arg in node.args])
                self.lines.append(f"{name} = {text}")
                names.append(name)
        return {name: names[index] for name, index in graph.outputs}

    def expression(self, node: Node, args: list[str]) -> str:
        shapes = [self.shapes[arg] for arg in node.args]
        if node.op in _INFIX:
            return f"({args[0]} {_INFIX[node.op]} {args[1]})"
        if node.op in ops.REDUCE:
            return self.reduce(node.op, args[0], shapes[0], int(node.attr or 0))
        if node.op == "softmax":
            return self.softmax(args[0], shapes[0], int(node.attr or 0))
        if node.op == "matmul":
            return self.matmul(args[0], args[1], *shapes)
        if node.op == "transpose":
            return args[0] if shapes[0] == ("1", "1") else f"tl.trans({args[0]})"
        if node.op == "expand":
            return f"({args[0]} + tl.zeros({self.tile(node.shape)}, tl.float32))"
        return _CALLS[node.op].format(*args)

    def tile(self, shape: ops.Shape) -> str:
        sizes = [BLOCKS.get(dim, "1") for dim in shape]
        return "[" + ", ".join(reversed(sizes) if self.transposed else sizes) + "]"

    def along(self, axis: int) -> int:
        """The axis of the tile, 0 or 1, that an axis of the value lies along."""
        return (axis + 2) ^ self.transposed

    def masked(self, x: str, shape: ops.Shape, axis: int, fill: str) -> str:
        dim = shape[axis]
        if dim == "1" or not self.tiling.is_padded(dim):
            return x
        return f"tl.where({self.tiling.mask(dim, self.along(axis))}, {x}, {fill})"

    def reduce(self, op: str, x: str, shape: ops.Shape, axis: int) -> str:
        if shape[axis] == "1":
            return x
        call = {"sum": "tl.sum", "amax": "tl.max", "amin": "tl.min"}[op]
        fill = {"sum": "0.0", "amax": "-float('inf')", "amin": "float('inf')"}[op]
        x = self.masked(x, shape, axis, fill)
        if shape[-3 - axis] == "1":  # the other axis: nothing else is left
            return f"{call}({x})"
        return f"{call}({x}, 1)[:, None]" if self.along(axis) else f"{call}({x}, 0)[None, :]"

    def softmax(self, x: str, shape: ops.Shape, axis: int) -> str:
        name = f"{self.prefix}s{len(self.lines)}"
        self.lines.append(f"{name} = {self.masked(x, shape, axis, '-1e30')}")
        top = self.reduce("amax", name, shape, axis)
        self.lines.append(f"{name} = tl.exp({name} - {top})")
        whole = self.reduce("sum", name, shape, axis)
        return f"({name} / {whole})"

    def matmul(self, a: str, b: str, left: ops.Shape, right: ops.Shape) -> str:
        if left[1] == "1" or right[0] == "1":  # an outer product
            return f"({a} * {b})"
        a, b = self.masked(a, left, -1, "0.0"), self.masked(b, right, -2, "0.0")
        if self.transposed and right[1] != "1" and left[0] != "1":
            return f"tl.dot({b}, {a}, input_precision='ieee')"
        if right[1] == "1":
            return self.reduce("sum", f"({a} * tl.trans({b}))", left, -1)
        if left[0] == "1":
            return self.reduce("sum", f"(tl.trans({a}) * {b})", right, -2)
        return f"tl.dot({a}, {b}, input_precision='ieee')"


def mixes_values(graph: Graph) -> bool:
    """Whether the hook reduces over d_v, so that columns of S cannot be split over programs."""
    for node in graph.nodes:
        shapes = [graph.nodes[arg].shape for arg in node.args]
        reduces = node.op in (*ops.REDUCE, "softmax") and shapes[0][int(node.attr or 0)] == "d_v"
        if reduces or (node.op == "matmul" and shapes[0][1] == "d_v"):
            return True
        if node.op == "transpose" and "d_v" in shapes[0] and "1" not in shapes[0]:
            return True
    return False
