"""Between which numbers the values of a hook lie, as far as its operations tell.

Careful and not sharp: what may be infinite or NaN is ANYTHING, and so is all that is made of it.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from archer.rules import ops

if TYPE_CHECKING:
    from archer.rules.graph import Graph, Node, RuleGraph

Range = tuple[float, float]
ANYTHING: Range = (-math.inf, math.inf)
LARGEST = 1e37  # beyond it fp32 overflows
SMALLEST = 1e-30  # nearer to zero it may be rounded to it
FAR = 1e9  # of a number without bounds: a signal, a score, the number of a chunk
MOST = 1e4  # terms of a sum
ROUNDING = 1e-6  # of a sum in fp32, with room to spare

_SIGNALS: dict[str, Range] = {
    "sigmoid": (0.0, 1.0),
    "softplus": (0.0, FAR),
    "tanh": (-1.0, 1.0),
    "identity": (-FAR, FAR),
    "log_decay": (-FAR, 0.0),
}


def is_bounded(x: Range) -> bool:
    """Whether it is finite for certain."""
    return x != ANYTHING


def is_not_zero(x: Range) -> bool:
    """Whether it is finite and apart from zero for certain."""
    return is_bounded(x) and (x[0] > SMALLEST or x[1] < -SMALLEST)


def ranges(rule: "RuleGraph", hook: str) -> list[Range]:
    """The range of every operation of a hook."""
    named = {f"knob.{knob.name}": (knob.low, knob.high) for knob in rule.knobs}
    named |= {f"signal.{signal.name}": _SIGNALS[signal.activation] for signal in rule.signals}
    graph, found = rule.hook(hook), list[Range]()
    for node in graph.nodes:
        found.append(_cut(_range(graph, node, [found[arg] for arg in node.args], named)))
    return found


def _cut(x: Range) -> Range:
    return x if -LARGEST <= x[0] <= x[1] <= LARGEST else ANYTHING


def _range(graph: "Graph", node: "Node", args: list[Range], named: Mapping[str, Range]) -> Range:
    if node.op == "input":
        return named.get(str(node.attr), (-FAR, FAR))
    if node.op == "const":
        return float(node.attr or 0.0), float(node.attr or 0.0)
    if node.op == "size":
        return 1.0, MOST
    if node.op in ops.BOOLEAN:
        return 0.0, 1.0
    if node.op == "where":
        return _around([*args[1], *args[2]]) if all(map(is_bounded, args[1:])) else ANYTHING
    if not all(map(is_bounded, args)):
        return ANYTHING
    if node.op == "mul" and node.args[0] == node.args[1]:
        return _square(args[0])
    if node.op == "matmul":
        single = graph.nodes[node.args[0]].shape[1] == "1"
        return _mul(*args) if single else _sum(_mul(*args))
    return _APPLIED[node.op](*args) if node.op in _APPLIED else args[0]


def _around(numbers: Sequence[float]) -> Range:
    """From the least to the largest; ANYTHING where one is NaN."""
    return ANYTHING if any(map(math.isnan, numbers)) else (min(numbers), max(numbers))


def _add(a: Range, b: Range) -> Range:
    low, high = a[0] + b[0], a[1] + b[1]
    if min(a[0], b[0]) >= 0.0 or max(a[1], b[1]) <= 0.0:
        return low, high
    lost = ROUNDING * max(map(abs, (*a, *b)))  # where large numbers cancel
    return low - lost, high + lost


def _neg(a: Range) -> Range:
    return -a[1], -a[0]


def _mul(a: Range, b: Range) -> Range:
    return _around([x * y for x in a for y in b])


def _square(a: Range) -> Range:
    low, high = sorted((a[0] * a[0], a[1] * a[1]))
    return (low if is_not_zero(a) else 0.0), high


def _div(a: Range, b: Range) -> Range:
    return _around([x / y for x in a for y in b]) if is_not_zero(b) else ANYTHING


def _pow(a: Range, b: Range) -> Range:
    if a[0] < 0.0 or (b[0] <= 0.0 and not is_not_zero(a)):
        return ANYTHING
    try:
        return _around([x**y for x in a for y in b])
    except OverflowError:
        return ANYTHING


def _exp(a: Range) -> Range:
    return (math.exp(a[0]), math.exp(a[1])) if a[1] < math.log(LARGEST) else ANYTHING


def _abs(a: Range) -> Range:
    low, high = sorted((abs(a[0]), abs(a[1])))
    return (low if a[0] > 0.0 or a[1] < 0.0 else 0.0), high


def _positive(function: Callable[[float], float]) -> Callable[[Range], Range]:
    """A function of numbers above zero that only rises or only falls."""

    def apply(a: Range) -> Range:
        return _around([function(x) for x in a]) if a[0] > SMALLEST else ANYTHING

    return apply


def _sum(a: Range) -> Range:
    return min(a[0], MOST * a[0]), max(a[1], MOST * a[1])


_APPLIED: dict[str, Callable[..., Range]] = {
    "neg": _neg,
    "exp": _exp,
    "log": _positive(math.log),
    "sqrt": lambda a: (math.sqrt(a[0]), math.sqrt(a[1])) if a[0] >= 0.0 else ANYTHING,
    "rsqrt": _positive(lambda x: x**-0.5),
    "tanh": lambda a: (math.tanh(a[0]), math.tanh(a[1])),
    "sigmoid": lambda a: (0.0, 1.0),
    "abs": _abs,
    "sign": lambda a: (-1.0, 1.0),
    "add": _add,
    "sub": lambda a, b: _add(a, _neg(b)),
    "mul": _mul,
    "div": _div,
    "pow": _pow,
    "maximum": lambda a, b: (max(a[0], b[0]), max(a[1], b[1])),
    "minimum": lambda a, b: (min(a[0], b[0]), min(a[1], b[1])),
    "sum": _sum,
    "softmax": lambda a: (0.0, 1.0),
}
