"""Random `local` hooks: where the graph shows no look ahead, execution shows none.

At usual numbers, zeros and thresholds, in fp32 and fp64, by the bits of what earlier tokens get.
"""

import random
from typing import Any

import pytest
import torch
from torch import Tensor

from archer.rules.ahead import look_ahead
from archer.rules.base import Rule, RuleError, Signal
from archer.rules.graph import Graph, RuleGraph
from archer.rules.hooks import causal_mask
from archer.rules.torch_source import compile_hook, hook_arguments, variable
from archer.rules.trace import trace

C = 5
CAUSAL = torch.ones(C, C, dtype=torch.bool).tril()
RAW = (0.0, 13.0, -13.0, 1e4, -1e4)
PAIRS = ("add", "sub", "mul", "mul", "div", "maximum", "minimum", "pow")
SINGLE = ("tanh", "exp", "abs", "sqrt", "rsqrt", "sigmoid", "log", "sign", "neg", "square")
KEPT = ("kept", "filled", "chosen", "reduced", "reduced", "turned", "softmax", "product")


def _expression(rng: random.Random, depth: int, scores: Any, eta: Any) -> Any:
    """A random [C, C] value."""
    if depth == 0:
        leaves = (scores, scores, 0.0 * scores + eta, 0.0 * scores + eta[:, None], 0.0 * scores)
        return rng.choice(leaves)
    op = rng.choice((*PAIRS, *SINGLE, *KEPT, *KEPT))
    x = _expression(rng, depth - 1, scores, eta)
    if op in SINGLE:
        return getattr(torch, op)(x)
    if op == "softmax":
        return torch.softmax(x, -1)
    reduce = getattr(torch, rng.choice(("sum", "amax", "amin")))
    if op == "reduced":
        return 0.0 * scores + reduce(x, -1, keepdim=True)
    if op == "turned":
        return 0.0 * scores + reduce(x.mT, -2, keepdim=True).mT
    number = rng.choice((-1e30, -1.0, 0.0, 0.5, 2.0, 12.0))
    if op == "filled":
        return x.masked_fill(~causal_mask(scores), number)
    y = rng.choice((number, _expression(rng, depth - 1, scores, eta)))
    if op == "kept":
        return torch.where(causal_mask(scores), x, y)
    if op == "chosen":
        return torch.where(x > number, x, y)
    return x @ (y * scores).mT if op == "product" else _pair(op, x, y)


def _pair(op: str, x: Any, y: Any) -> Any:
    if op in ("maximum", "minimum") and isinstance(y, float):
        return torch.clamp(x, min=y) if op == "maximum" else torch.clamp(x, max=y)
    return getattr(torch, op)(x, y)


def _rule(seed: int) -> RuleGraph:
    """Raises RuleError where a random hook is none."""

    def local(self: Rule, scores: Any, p: Any) -> Any:
        rng = random.Random(seed)
        return scores * _expression(rng, rng.randint(2, 5), scores, p.eta) + 0 * p.eta[:, None]

    return trace(type("Random", (Rule,), {"eta": Signal("identity"), "local": local}))


def _run(graph: Graph, q: Tensor, k: Tensor, eta: Tensor) -> Tensor:
    scores = (q @ k.mT).masked_fill(~CAUSAL, 0.0)
    given: dict[str, Any] = {"scores": scores, "signal.eta": eta[None], "causal": CAUSAL}
    values = {variable(name): value for name, value in given.items()}
    hook = compile_hook(graph, "local")
    (weights,) = hook(**{name: values[name] for name in hook_arguments(graph)})
    return weights.expand(C, C).masked_fill(~CAUSAL, 0.0)  # type: ignore[no-any-return]


def _changes(graph: Graph, dtype: torch.dtype, generator: torch.Generator) -> bool:
    """Whether other numbers from some token on change what an earlier one gets."""
    q, k = torch.randn(2, C, 3, generator=generator, dtype=torch.float64).to(dtype)
    eta = torch.randn(C, generator=generator, dtype=torch.float64).to(dtype)
    k[1] = 0.0
    before = _run(graph, q, k, eta)
    for start in range(1, C):
        for raw in RAW:
            late, keys = eta.clone(), k.clone()
            late[start:], keys[start:] = raw, -k[start:]
            after, known = _run(graph, q, keys, late)[:start], before[:start]
            if not ((after == known) | (after.isnan() & known.isnan())).all():
                return True
    return False


@pytest.mark.parametrize("part", range(3))
def test_where_no_look_ahead_is_found_there_is_none(part: int) -> None:
    passed = refused = really = 0
    for seed in range(70 * part, 70 * (part + 1)):
        try:
            rule = _rule(seed)
        except RuleError:  # a reduction over queries
            continue
        generator = torch.Generator().manual_seed(seed)
        dtypes = (torch.float32, torch.float64)
        leaks = any(_changes(rule.local, dtype, generator) for dtype in dtypes)
        found = look_ahead(rule) is not None
        assert found or not leaks, seed
        passed, refused, really = passed + (not found), refused + found, really + leaks
    assert passed > 40
    assert really > 0.4 * refused > 0
