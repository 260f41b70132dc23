"""The gate "cost": what a token more costs, held against delta, on one head of 128 as in MAD.

    work    numbers computed forward, counted in the rule's graph (the terms of a product each)
    steps   differentiable operations run one after the other, counted in autograd's graph
    bytes   what is kept for the backward pass, counted there too
    time    processor seconds forward and backward, the least of several

The counts are the same on every machine and have tight bounds. Time is for the record: its bounds
are such that no noise of a busy machine exceeds them.
"""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.nn import functional

from archer.check.probes import Finding
from archer.memory.chunkwise import chunkwise
from archer.rules import ops
from archer.rules.graph import HOOKS, Node, RuleGraph
from archer.rules.load import builtin_graph

D = 128  # d_k = d_v
STRETCH = 128  # tokens, at least; what is compared are equal stretches of one sequence
LINEAR = 1.1  # a later stretch may take this much of an earlier one
LINEAR_TIME = 2.5  # and four times the length this much of four times the time; quadratic: 4
# How many times as much as delta a rule may cost per token.
FACTORS = {"work": 12.0, "steps": 24.0, "bytes": 12.0, "time": 100.0}
REPEATS = 3  # of a time, of which the least counts
ROUNDS = 4  # in turns with delta
ATTEMPTS = 5  # at a time that looks too long, with the least of all so far

Counts = dict[str, float]


def cost(rule: RuleGraph) -> tuple[Finding, float]:
    """Whether cost grows linearly and stays within FACTORS; and time per token against delta."""
    delta = builtin_graph("delta")
    stretch = max(STRETCH, rule.chunk_size)
    first, second = _marginal(rule, stretch)
    bent = [name for name in second if second[name] > LINEAR * first[name]]
    if bent:
        return _too_much(f"{bent[0]} do not grow linearly with length")
    known = _marginal(delta, STRETCH)[1]
    ratios = {"work": work(rule) / work(delta)}
    ratios |= {name: second[name] / stretch * STRETCH / known[name] for name in second}
    if _over(ratios):  # before its time is measured, which could take long
        return _too_much(_over(ratios))
    if not _linear_in_time(rule, stretch):
        return _too_much("time does not grow linearly with length")
    ratios["time"] = _time_ratio(rule, stretch)
    if _over(ratios):
        return _too_much(_over(ratios))
    said = ", ".join(f"{ratio:.1f} times the {name}" for name, ratio in ratios.items())
    return Finding(True, f"linear in length; per token {said} of delta"), ratios["time"]


def _over(ratios: Counts) -> str:
    return "; ".join(
        f"per token {ratio:.1f} times the {name} of delta, allowed is {FACTORS[name]:g} times"
        for name, ratio in ratios.items()
        if ratio > FACTORS[name]
    )


def _too_much(reason: str) -> tuple[Finding, float]:
    return Finding(False, reason), float("nan")


def work(rule: RuleGraph) -> float:
    """Numbers computed per token, the terms of products and sums counted each."""
    C = rule.chunk_size
    engine = 5 * C * C * D + 3 * C * D * D + C**3 // 3  # Eq. (1) to (6) of the engine
    graphs = [rule.hook(hook).nodes for hook in HOOKS]
    return (engine + sum(_work_of(node, nodes, C) for nodes in graphs for node in nodes)) / C


def _work_of(node: Node, nodes: tuple[Node, ...], C: int) -> int:
    if node.op in ops.NULLARY or node.op in ("transpose", "expand"):
        return 0
    shapes = [node.shape, *(nodes[arg].shape for arg in node.args)]
    size = max(_extent(rows, C) * _extent(cols, C) for rows, cols in shapes)
    if node.op == "matmul":
        rows, inner = nodes[node.args[0]].shape
        return _extent(rows, C) * _extent(inner, C) * _extent(node.shape[1], C)
    return size


def _extent(dim: str, C: int) -> int:
    return 1 if dim == "1" else C if dim in ops.TOKEN_DIMS else D


def _marginal(rule: RuleGraph, stretch: int) -> tuple[Counts, Counts]:
    """What the third and the fourth stretch of a sequence cost."""
    two, three, four = (_count(rule, n * stretch) for n in (2, 3, 4))
    return (
        {name: three[name] - two[name] for name in three},
        {name: four[name] - three[name] for name in four},
    )


def _count(rule: RuleGraph, length: int) -> Counts:
    with _kept() as kept:
        output = _forward(rule, _inputs(rule, length))
    return {"steps": float(_nodes(output)), "bytes": float(sum(kept.values()))}


@contextmanager
def _kept() -> Iterator[dict[int, int]]:
    """Bytes by storage of all that is kept for the backward pass."""
    kept: dict[int, int] = {}

    def pack(x: Tensor) -> Tensor:
        kept[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        yield kept


def _nodes(output: Tensor) -> int:
    seen, stack = set(), [output.grad_fn]
    while stack:
        node = stack.pop()
        if node is not None and node not in seen:
            seen.add(node)
            stack.extend(following for following, _ in node.next_functions)
    return len(seen)


def _inputs(rule: RuleGraph, length: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    drawn = {
        name: functional.normalize(torch.randn(1, length, 1, D, generator=generator), dim=-1)
        for name in ("q", "k", "v")
    }
    for name in ("beta", *(signal.name for signal in rule.signals)):
        drawn[name] = torch.rand(1, length, 1, generator=generator)
    if rule.decay:
        drawn[rule.decay] = -drawn[rule.decay]
    return {name: x.requires_grad_() for name, x in drawn.items()}


def _forward(rule: RuleGraph, inputs: dict[str, Tensor]) -> Tensor:
    signals = dict(inputs)
    q, k, v, beta = (signals.pop(name) for name in ("q", "k", "v", "beta"))
    g = signals.pop(rule.decay) if rule.decay else None
    return chunkwise(rule, q, k, v, beta, g, signals=signals)[0]


def _time_ratio(rule: RuleGraph, stretch: int) -> float:
    """Time per token against delta's, in turns: what slows the machine slows both."""
    delta, own, its = builtin_graph("delta"), math.inf, math.inf
    for _ in range(ROUNDS):
        own, its = min(own, _time(rule, 8 * stretch)), min(its, _time(delta, 8 * STRETCH))
    return own / stretch * STRETCH / its


def _linear_in_time(rule: RuleGraph, stretch: int) -> bool:
    """Passes as soon as a pair of least times does: a busy machine is no fault of the rule."""
    short = long = math.inf
    for _ in range(ATTEMPTS):
        short, long = min(short, _time(rule, 4 * stretch)), min(long, _time(rule, 16 * stretch))
        if long <= 4 * LINEAR_TIME * short:
            return True
    return False


def _time(rule: RuleGraph, length: int) -> float:
    """Least processor seconds of several runs, forward and backward."""
    inputs = _inputs(rule, length)
    seconds = []
    for _ in range(REPEATS):
        started = time.process_time()
        total = _forward(rule, inputs).sum()
        torch.autograd.grad(total, list(inputs.values()), materialize_grads=True)
        seconds.append(time.process_time() - started)
    return min(seconds)
