"""From a hook's graph to readable PyTorch source, which the engine compiles and `export` prints.

Values carry any leading axes: every one is [..., rows, cols] with scalars as [..., 1, 1].
"""

import builtins
import math
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from archer.rules.graph import Graph

_INFIX = {
    "or": ("|", 1),
    "and": ("&", 2),
    "lt": ("<", 3),
    "le": ("<=", 3),
    "gt": (">", 3),
    "ge": (">=", 3),
    "eq": ("==", 3),
    "ne": ("!=", 3),
    "add": ("+", 4),
    "sub": ("-", 4),
    "mul": ("*", 5),
    "div": ("/", 5),
    "matmul": ("@", 5),
    "pow": ("**", 7),
}
_PREFIX = {"neg": ("-", 6), "not": ("~", 6)}
_ATOM = 9


class _Printer:
    """Expressions for the nodes of one graph, each with its binding strength."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.lines: list[str] = []
        self.text: dict[int, tuple[str, int]] = {}
        self.taken = {variable(name) for name in graph.inputs} | {"C", "d_k", "d_v", "causal"}
        self.taken |= {"torch", "math"}
        self.uses = Counter(arg for node in graph.nodes for arg in node.args)
        self.outputs = {index for _, index in graph.outputs}
        self.uses.update(index for _, index in graph.outputs)

    def arg(self, index: int, strength: int = 0) -> str:
        text, own = self.text[index]
        return f"({text})" if own < strength else text

    def on_host(self, index: int) -> bool:
        """Whether the value is a plain Python number: built from constants and sizes alone."""
        node = self.graph.nodes[index]
        if node.op in ("const", "size"):
            return True
        simple = node.op in (
            "add",
            "sub",
            "mul",
            "div",
            "pow",
            "neg",
            "sqrt",
            "rsqrt",
            "exp",
            "log",
        )
        return simple and all(self.on_host(arg) for arg in node.args)

    def tensor(self, index: int) -> str:
        text = self.arg(index)
        return f"torch.tensor({text})" if self.on_host(index) else text

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
            left = strength + 1 if op == "pow" else strength
            right = strength if op == "pow" else strength + 1
            if strength == 3:
                left = right = 4
            return f"{self.arg(args[0], left)} {sign} {self.arg(args[1], right)}", strength
        if op in _PREFIX:
            sign, strength = _PREFIX[op]
            return sign + self.arg(args[0], strength), strength
        return self.call(op, args, node.attr)

    def call(self, op: str, args: tuple[int, ...], attr: Any) -> tuple[str, int]:
        if op == "transpose":
            return f"{self.arg(args[0], _ATOM)}.mT", _ATOM
        if op == "sum" or op.startswith("am"):
            return f"{self.arg(args[0], _ATOM)}.{op}({attr}, keepdim=True)", _ATOM
        if op == "softmax":
            return f"torch.softmax({self.arg(args[0])}, dim={attr})", _ATOM
        if op == "where":
            condition, a, b = args
            return f"torch.where({self.tensor(condition)}, {self.arg(a)}, {self.arg(b)})", _ATOM
        if op in ("maximum", "minimum"):
            return self.extremum(op, *args), _ATOM
        if all(self.on_host(arg) for arg in args):
            if op == "rsqrt":
                return f"{self.arg(args[0], _ATOM)} ** -0.5", 7
            if op in ("sqrt", "exp", "log"):
                return f"math.{op}({self.arg(args[0])})", _ATOM
        return f"torch.{op}({', '.join(self.tensor(arg) for arg in args)})", _ATOM

    def extremum(self, op: str, a: int, b: int) -> str:
        if self.on_host(a):
            a, b = b, a
        if self.on_host(b) and not self.on_host(a):
            return f"torch.clamp({self.arg(a)}, {op[:3]}={self.arg(b)})"
        return f"torch.{op}({self.tensor(a)}, {self.tensor(b)})"

    def keeps_name(self, index: int) -> bool:
        """Whether a node becomes a line of its own rather than part of an expression."""
        node = self.graph.nodes[index]
        if node.op in ("input", "const", "size", "causal_mask"):
            return False
        return self.uses[index] > 1 or (node.label is not None and index not in self.outputs)

    def fresh(self, label: str) -> str:
        name = label
        if name in self.taken:
            name = f"{label}_new"
        count = 2
        while name in self.taken:
            name, count = f"{label}_{count}", count + 1
        self.taken.add(name)
        return name

    def run(self) -> list[str]:
        for index, node in enumerate(self.graph.nodes):
            text, strength = self.expression(index)
            if self.keeps_name(index):
                name = self.fresh(node.label or "x")
                self.lines.append(f"{name} = {text}")
                text, strength = name, _ATOM
            self.text[index] = text, strength
        return self.lines


def number(value: float) -> tuple[str, int]:
    """Shortest text of a constant and its binding strength."""
    whole = value.is_integer() and abs(value) < 1e6
    text = str(int(value)) if whole else repr(value)
    return text, 6 if value < 0 else _ATOM


def variable(name: str) -> str:
    """Python name of a hook's input: "slots.m" -> "m"."""
    return name.rpartition(".")[2]


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

    space: dict[str, Any] = {"torch": torch, "math": math, "__builtins__": {}}
    code = builtins.compile(hook_source(graph, name), f"<archer {name}>", "exec")
    exec(code, space)
    function: Callable[..., tuple[Any, ...]] = space[name]
    return function
