"""From a hook's graph to readable PyTorch source, which the engine compiles and `export` prints.

Values carry any leading axes: every one is [..., rows, cols] with scalars as [..., 1, 1].
"""

import builtins
import math
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from archer.rules import ops
from archer.rules.graph import Graph

_COMPARE = 1
_INFIX = {
    "lt": ("<", _COMPARE),
    "le": ("<=", _COMPARE),
    "gt": (">", _COMPARE),
    "ge": (">=", _COMPARE),
    "eq": ("==", _COMPARE),
    "ne": ("!=", _COMPARE),
    "or": ("|", 2),
    "and": ("&", 3),
    "add": ("+", 4),
    "sub": ("-", 4),
    "mul": ("*", 5),
    "div": ("/", 5),
    "matmul": ("@", 5),
    "pow": ("**", 7),
}
_PREFIX = {"neg": ("-", 6), "not": ("~", 6)}
_ATOM = 9
# Python numbers in, Python numbers out.
_ON_HOST = frozenset({"add", "sub", "mul", "div", "pow", "neg", "sqrt", "rsqrt", "exp", "log"})
_DEEPEST = 12  # operations nested in one expression: for readers, and for Python's parser


class _Printer:
    """Expressions for the nodes of one graph, each with its binding strength."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.lines: list[str] = []
        self.text: dict[int, tuple[str, int]] = {}
        self.host: list[bool] = []  # whether a node is a plain number: of constants, sizes alone
        self.depth: list[int] = []  # operations nested in a node's expression
        self.inputs = {variable(name) for name in graph.inputs}
        self.taken = self.inputs | {"C", "d_k", "d_v", "causal", "torch", "math", "float"}
        self.uses = Counter(arg for node in graph.nodes for arg in node.args)
        self.outputs = {index for _, index in graph.outputs}
        self.uses.update(index for _, index in graph.outputs)

    def arg(self, index: int, strength: int = 0) -> str:
        text, own = self.text[index]
        return f"({text})" if own < strength else text

    def tensor(self, index: int, strength: int = 0) -> str:
        if self.host[index]:
            return f"torch.full((), {self.arg(index)}, dtype=torch.float64)"
        return self.arg(index, strength)

    def expression(self, index: int) -> tuple[str, int]:
        node = self.graph.nodes[index]
        op, args = node.op, node.args
        if op == "input":
            return variable(str(node.attr)), _ATOM
        if op == "const":
            return number(float(node.attr or 0.0))
        if op == "size":
            return str(node.attr), _ATOM
        if op == "causal_mask":
            return "causal", _ATOM
        if op in _INFIX:
            sign, strength = _INFIX[op]
            left = strength + 1 if op == "pow" or strength == _COMPARE else strength
            right = strength if op == "pow" else strength + 1
            if strength == _COMPARE and all(self.host[arg] for arg in args):
                return f"{self.tensor(args[0])} {sign} {self.arg(args[1], right)}", strength
            return f"{self.arg(args[0], left)} {sign} {self.arg(args[1], right)}", strength
        if op in _PREFIX:
            sign, strength = _PREFIX[op]
            return sign + self.arg(args[0], strength), strength
        return self.call(op, args, node.attr)

    def call(self, op: str, args: tuple[int, ...], attr: Any) -> tuple[str, int]:
        if op == "transpose":
            return f"{self.tensor(args[0], _ATOM)}.mT", _ATOM
        if op in ops.REDUCE:
            return f"{self.tensor(args[0], _ATOM)}.{op}({attr}, keepdim=True)", _ATOM
        if op == "expand":
            like = self.tensor(args[1])
            return f"torch.broadcast_tensors({self.tensor(args[0])}, {like})[0]", _ATOM
        if op == "softmax":
            return f"torch.softmax({self.tensor(args[0])}, dim={attr})", _ATOM
        if op == "where":
            return self.where(*args), _ATOM
        if op in ("maximum", "minimum"):
            return self.extremum(op, *args), _ATOM
        if all(self.host[arg] for arg in args):
            if op == "rsqrt":
                return f"{self.arg(args[0], _ATOM)} ** -0.5", 7
            if op in ("sqrt", "exp", "log"):
                return f"math.{op}({self.arg(args[0])})", _ATOM
        return f"torch.{op}({', '.join(self.tensor(arg) for arg in args)})", _ATOM

    def where(self, condition: int, a: int, b: int) -> str:
        first, second = self.arg(a), self.arg(b)
        if self.host[a] and self.host[b]:  # two numbers would take torch's default precision
            like = min((variable(name) for name in self.graph.inputs), default=None)
            first = f"{like}.new_full((), {first})" if like else f"float({first})"
        return f"torch.where({self.arg(condition)}, {first}, {second})"

    def extremum(self, op: str, a: int, b: int) -> str:
        if self.host[a]:
            a, b = b, a
        if self.host[b] and not self.host[a]:
            bound = "min" if op == "maximum" else "max"
            return f"torch.clamp({self.arg(a)}, {bound}={self.arg(b)})"
        return f"torch.{op}({self.tensor(a)}, {self.tensor(b)})"

    def keeps_name(self, index: int) -> bool:
        """Whether a node becomes a line of its own rather than part of an expression."""
        node = self.graph.nodes[index]
        if node.op in ops.NULLARY:
            return False
        if self.depth[index] > _DEEPEST:
            return True
        return self.uses[index] > 1 or (node.label is not None and index not in self.outputs)

    def fresh(self, label: str) -> str:
        name = f"{label}_new" if label in self.inputs else label
        count = 2
        while name in self.taken:
            name, count = f"{label}_{count}", count + 1
        self.taken.add(name)
        return name

    def run(self) -> list[str]:
        for index, node in enumerate(self.graph.nodes):
            simple = node.op in ("const", "size") or node.op in _ON_HOST
            self.host.append(simple and all(self.host[arg] for arg in node.args))
            self.depth.append(max([self.depth[arg] for arg in node.args], default=-1) + 1)
            text, strength = self.expression(index)
            if self.keeps_name(index):
                name = self.fresh(node.label or "x")
                self.lines.append(f"{name} = {text}")
                text, strength = name, _ATOM
                self.depth[index] = 0
            self.text[index] = text, strength
        return self.lines


def number(value: float) -> tuple[str, int]:
    """Shortest text of a constant and its binding strength."""
    whole = value.is_integer() and abs(value) < 1e6
    text = str(int(value)) if whole else repr(value)
    return text, 6 if value < 0 else _ATOM


def variable(name: str) -> str:
    """Python name of a hook's input: "slots.m" -> "m", "grad.slots.m" -> "grad_m"."""
    return "grad_" * name.startswith("grad.") + name.rpartition(".")[2]


def hook_body(graph: Graph) -> tuple[list[str], list[str]]:
    """Lines of assignments, and one expression per output in the graph's order."""
    printer = _Printer(graph)
    lines = printer.run()
    return lines, [printer.arg(index) for _, index in graph.outputs]


def hook_arguments(graph: Graph) -> list[str]:
    """Names the compiled hook takes, all as keywords: its inputs, then sizes and mask it needs."""
    inputs = sorted(variable(name) for name in graph.inputs)
    sizes = sorted({str(node.attr) for node in graph.nodes if node.op == "size"})
    mask = ["causal"] if any(node.op == "causal_mask" for node in graph.nodes) else []
    return [*inputs, *sizes, *mask]


def hook_source(graph: Graph, name: str) -> str:
    """A whole function `def name(*, ...)` returning a tuple of the graph's outputs."""
    lines, results = hook_body(graph)
    arguments = hook_arguments(graph)
    head = f"def {name}(*, {', '.join(arguments)}):" if arguments else f"def {name}():"
    body = [f"    {line}" for line in [*lines, f"return ({', '.join(results)},)"]]
    return "\n".join([head, *body, ""])


@lru_cache(maxsize=512)
def compile_hook(graph: Graph, name: str) -> Callable[..., tuple[Any, ...]]:
    """The function of `hook_source`, compiled. The graph is the allow-list, so this is safe."""
    import torch

    # torch imports parts of itself on its first calls, as if the calling function did
    own = {"float": float, "__import__": builtins.__import__}
    space: dict[str, Any] = {"torch": torch, "math": math, "__builtins__": own}
    code = builtins.compile(hook_source(graph, name), f"<archer {name}>", "exec")
    exec(code, space)
    function: Callable[..., tuple[Any, ...]] = space[name]
    return function
