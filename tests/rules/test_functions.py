"""Every allowed function: the traced hook equals the same hook called on real tensors."""

import json
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from archer.rules.base import RuleError
from archer.rules.functions import ALLOWED
from archer.rules.graph import RuleGraph, rule_from_json
from archer.rules.hooks import causal_mask, causal_softmax
from archer.rules.load import builtin_graph
from archer.rules.torch_source import compile_hook, hook_arguments, variable

C, D_K, D_V = 5, 3, 4
LEAD = (2, 3)  # batch and heads

# One gate per allowed name. U: [C, d_v]; p.a, p.b: scalars; p.eta: [C].
GATES: dict[str, Callable[..., Any]] = {
    "exp": lambda U, p: torch.exp(U),
    "log": lambda U, p: torch.log(U * U + p.a) + (U * U + 1).log().exp(),
    "sqrt": lambda U, p: torch.sqrt(U * U + 1) + (p.a + 1).sqrt() * U,
    "rsqrt": lambda U, p: (U * U + p.a).rsqrt(),
    "tanh": lambda U, p: torch.tanh(U * p.eta[:, None]),
    "sigmoid": lambda U, p: U.sigmoid() * torch.sigmoid(p.a),
    "sign": lambda U, p: torch.sign(U) * U,
    "add": lambda U, p: torch.add(U, p.a).add(p.b),
    "sub": lambda U, p: torch.sub(U, U * U).sub(2.0),
    "mul": lambda U, p: torch.mul(U, p.eta[:, None]).mul(-3),
    "pow": lambda U, p: torch.pow(U.abs() + 1, p.a).pow(1.5) ** -0.5,
    "matmul": lambda U, p: torch.matmul(torch.matmul(U, U.T), U),
    "lt": lambda U, p: torch.where(torch.lt(U, p.a), U, -U),
    "le": lambda U, p: torch.where(U.le(0.1), U, 0.5),
    "gt": lambda U, p: U * (U > 0.2),
    "ge": lambda U, p: U * torch.ge(p.a, U),
    "eq": lambda U, p: U + (U.sign() == 1),
    "ne": lambda U, p: U + torch.ne(U.sign(), 1),
    "neg": lambda U, p: torch.neg(U) - (-(U**2)) ** 3,
    "abs": lambda U, p: torch.abs(U) + abs(p.eta[:, None] - 0.5),
    "absolute": lambda U, p: torch.absolute(U),
    "div": lambda U, p: torch.div(U, p.a + 2) / U.shape[-1],
    "true_divide": lambda U, p: torch.true_divide(U, 3) / (2 + p.a) / (U * U + 1),
    "mm": lambda U, p: torch.mm(U.t(), U).mm(U.T).T,
    "logical_and": lambda U, p: torch.where(torch.logical_and(U > 0, U < 0.5), U, 0.0) + U,
    "logical_or": lambda U, p: U * torch.logical_or(U < -0.5, U.relu()),
    "logical_not": lambda U, p: U + torch.logical_not(U > 0) + torch.logical_not(U.relu()),
    "maximum": lambda U, p: torch.maximum(U, p.a * U) + torch.maximum(U, p.eta[:, None]),
    "minimum": lambda U, p: torch.minimum(U, 2 * U) + torch.minimum(p.eta[:, None], U),
    "clamp": lambda U, p: torch.clamp(U, -0.3, 0.4) + U.clamp(min=p.a) + U.clamp(max=0.1),
    "clip": lambda U, p: U.clip(-0.5, 0.5) + torch.clip(U, max=p.b),
    "where": lambda U, p: torch.where(p.a < U, U, p.b) + U.where(U < 0, 2 * U),
    "masked_fill": lambda U, p: U.masked_fill(U > 0, 3.0) + torch.masked_fill(U, U < 0, -1.0),
    "sum": lambda U, p: U * U.sum(-1)[:, None] + U.sum(0) - U.sum() + torch.sum(U, dim=(0, 1)),
    "mean": lambda U, p: U - U.mean(-1, keepdim=True) + U.mean(0) * torch.mean(U) + p.eta.mean(),
    "amax": lambda U, p: U / (1 + U.amax(-1, keepdim=True) ** 2) + U.amax(0) + torch.amax(U),
    "amin": lambda U, p: U * U.amin(dim=-1)[:, None] + U.amin((0, 1)),
    "norm": lambda U, p: U / U.norm(dim=-1, keepdim=True) + U.norm() + torch.norm(U, dim=0),
    "vector_norm": lambda U, p: U + torch.linalg.vector_norm(U, dim=-1)[:, None],
    "linalg_vector_norm": lambda U, p: U * torch.linalg.vector_norm(U, 2, 0, True),
    "linalg_norm": lambda U, p: U * torch.linalg.norm(U) + torch.linalg.norm(U, 2, -1)[:, None],
    "normalize": lambda U, p: F.normalize(U, dim=-1) + F.normalize(U, p=2, dim=0),
    "softmax": lambda U, p: torch.softmax(U, -1) + U.softmax(dim=0) * F.softmax(U, dim=1),
    "square": lambda U, p: torch.square(U) * p.a.square(),
    "reciprocal": lambda U, p: torch.reciprocal(U * U + 1),
    "relu": lambda U, p: torch.relu(U) - F.relu(-U),
    "silu": lambda U, p: F.silu(U),
    "softplus": lambda U, p: F.softplus(5 * U),
    "lerp": lambda U, p: torch.lerp(U, U * U, 0.25) + U.lerp(U.exp(), p.a),
    "zeros_like": lambda U, p: U + torch.zeros_like(U),
    "ones_like": lambda U, p: U + torch.ones_like(U),
    "transpose": lambda U, p: U @ U.transpose(0, 1) @ U,
    "swapaxes": lambda U, p: (U.swapaxes(-1, -2) @ U @ torch.swapaxes(U, 0, 1)).T,
    "t": lambda U, p: (U.t() @ torch.t(U).t() @ U.mT).T,
    "unsqueeze": lambda U, p: U * p.eta.unsqueeze(-1) + U.sum(0).unsqueeze(0),
    "clone": lambda U, p: U.clone() * 2,
    "contiguous": lambda U, p: U.T.contiguous().T,
    "tril": lambda U, p: U,  # takes only [C, C]: see LOCALS
}

MORE_GATES: dict[str, Callable[..., Any]] = {
    "shape arithmetic": lambda U, p: U * U.shape[-1] ** -0.5 / (U.shape[0] + 2 * U.size(1)) ** 0.5,
    "size in a function": lambda U, p: U * torch.clamp(p.a, max=U.shape[0]) - 2.0 ** U.shape[-1],
    "rsub, rdiv": lambda U, p: 1 - U + 2 / (U * U + 1) - (3 - (1 - p.a)),
    "rpow": lambda U, p: 0.5**U + p.a ** (U * U) + 2 ** -(U**2) + (-U) ** 2,
    "powers group to the right": lambda U, p: (U * U + 1) ** (p.a**2) + ((U * U) ** p.b) ** p.a,
    "row vector": lambda U, p: U * U.sum(0)[None, :] + U.sum(0)[None],
    "column vector": lambda U, p: U * p.eta[:, None] + U * p.eta.unsqueeze(1),
    "matrix times vector": lambda U, p: U * (U @ U.sum(0))[:, None] + p.eta @ U,
    "vector times vector": lambda U, p: U * (p.eta @ p.eta),
    "outer product": lambda U, p: U + p.eta[:, None] @ U.sum(0)[None, :],
    "masks in arithmetic": lambda U, p: (U > 0) * U + (U < 0).sum(-1)[:, None] - 1.0 * (p.a < U),
    "masks combined": lambda U, p: torch.where((U > 0) & (U < 1) | ~(U > -0.5), U, 2 * U),
    "masks transposed": lambda U, p: U * (~(U > 0).T.T) + ((U > 0).T * U.T).T,
    "a choice of two numbers": lambda U, p: U * torch.where(U > 0, 0.25, 0.75) @ U.T @ U,
    "a mask as a sum": lambda U, p: U / (1 + torch.where(U > 0, 1, 0).sum(-1, keepdim=True)),
    "the step": lambda U, p: U * (1 - p.a**p.step) + torch.exp(-p.step),
    "deep nesting": lambda U, p: _nested(U, 120),
    "a long sum": lambda U, p: sum((U**2 / n for n in range(1, 300)), U),
    "division groups to the left": lambda U, p: (
        U / (U.exp() / p.b) / (1 / (p.a + 1)) - (U - (U - 1))
    ),
    "product of quotients": lambda U, p: U * (p.a / p.b) * (U / (p.a * p.b)) - (-U) * -p.a,
}

# scores: [C, C]
LOCALS: dict[str, Callable[..., Any]] = {
    "tril": lambda scores, p: torch.tril(scores.exp()) + scores.tril(),
    "causal_softmax": lambda scores, p: causal_softmax(scores * p.a),
    "causal_mask": lambda scores, p: torch.where(causal_mask(scores), scores.exp(), 0.0),
    "mask alone": lambda scores, p: causal_mask(scores),
    "mask negated": lambda scores, p: scores * ~causal_mask(scores) + causal_mask(scores).T,
    "rows": lambda scores, p: scores / (1 + scores.norm(dim=-1))[:, None],
    "signal": lambda scores, p: scores * p.eta + scores * p.eta[:, None],
    "sum with transpose": lambda scores, p: scores + scores.T,
}


def _nested(x: Any, depth: int) -> Any:
    for _ in range(depth):
        x = torch.tanh(1.1 * (x + 0.01))
    return x


def _values(hook: str) -> dict[str, Tensor]:
    torch.manual_seed(1)

    def random(*shape: int) -> Tensor:
        return torch.randn(*LEAD, *shape, dtype=torch.float64).requires_grad_()

    own = {"U": random(C, D_V)} if hook == "gate" else {"scores": random(C, C).tril()}
    scalars = {name: random(1, 1).sigmoid() for name in ("knob.a", "knob.b")}
    step = {"step": torch.full((*LEAD, 1, 1), 3.0, dtype=torch.float64)}
    return own | scalars | step | {"signal.eta": random(1, C).sigmoid()}


def run_graph(rule: RuleGraph, hook: str, values: dict[str, Tensor]) -> tuple[Tensor, ...]:
    """The compiled hook on values with leading axes."""
    graph = rule.hook(hook)
    extra: dict[str, Any] = {"C": float(C), "d_k": float(D_K), "d_v": float(D_V)}
    extra["causal"] = torch.ones(C, C, dtype=torch.bool).tril()
    arguments = extra | {variable(name): value for name, value in values.items()}
    return compile_hook(graph, hook)(**{name: arguments[name] for name in hook_arguments(graph)})


def run_eagerly(function: Callable[..., Any], hook: str, values: dict[str, Tensor]) -> Tensor:
    """The author's function on one batch entry and head after the other."""
    rows = []
    for n in range(LEAD[0]):
        for h in range(LEAD[1]):
            one = {name: value[n, h] for name, value in values.items()}
            p = SimpleNamespace(
                a=one["knob.a"][0, 0],
                b=one["knob.b"][0, 0],
                step=one["step"][0, 0],
                eta=one["signal.eta"][0],
            )
            rows.append(function(one["U" if hook == "gate" else "scores"], p).double())
    return torch.stack(rows).unflatten(0, LEAD)


CASES = [
    *(("gate", name, function) for name, function in (GATES | MORE_GATES).items()),
    *(("local", name, function) for name, function in LOCALS.items()),
]


def test_every_allowed_name_has_a_case() -> None:
    assert set(GATES) == set(ALLOWED)


@pytest.mark.parametrize(
    ("hook", "function"),
    [(hook, function) for hook, _, function in CASES],
    ids=[f"{hook}: {name}" for hook, name, _ in CASES],
)
def test_traced_hook_equals_the_function_on_real_tensors(
    hook: str, function: Callable[..., Any], traced: Callable[..., RuleGraph]
) -> None:
    rule = traced(hook, function)
    values = _values(hook)
    (found,) = run_graph(rule, hook, values)
    wanted = run_eagerly(function, hook, values)
    found = found.double().expand(wanted.shape)
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)
    if not wanted.requires_grad:  # a mask has no gradient
        return
    leaves = [value for value in values.values() if value.requires_grad]
    weights = torch.randn_like(wanted)
    gradients = [
        torch.autograd.grad(
            (out * weights).sum(), leaves, allow_unused=True, materialize_grads=True
        )
        for out in (found, wanted)
    ]
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("hook", "function"),
    [(hook, function) for hook, _, function in CASES],
    ids=[f"{hook}: {name}" for hook, name, _ in CASES],
)
def test_traced_hook_survives_json(
    hook: str, function: Callable[..., Any], traced: Callable[..., RuleGraph]
) -> None:
    rule = traced(hook, function)
    again = rule_from_json(rule.to_json())
    assert again == rule
    assert again.rule_hash == rule.rule_hash


@pytest.mark.parametrize("name", ["norm", "vector_norm", "linalg_norm"])
def test_norm_of_zero_has_a_gradient_of_zero(name: str, traced: Callable[..., RuleGraph]) -> None:
    rule = traced("gate", lambda U, p: U + getattr(torch, name, torch.linalg.vector_norm)(U))
    U = torch.zeros(C, D_V, dtype=torch.float64).requires_grad_()
    (found,) = run_graph(rule, "gate", {"U": U})
    (gradient,) = torch.autograd.grad(found.sum(), U)
    assert torch.equal(gradient, torch.ones_like(U))


def test_normalised_zeros_have_a_finite_gradient(traced: Callable[..., RuleGraph]) -> None:
    def normalised(U: Any, p: Any) -> Any:
        return F.normalize(U, dim=-1)

    U = torch.zeros(C, D_V, dtype=torch.float64).requires_grad_()
    results = run_graph(traced("gate", normalised), "gate", {"U": U})[0], normalised(U, None)
    gradients = [torch.autograd.grad(result.sum(), U)[0] for result in results]
    torch.testing.assert_close(*gradients)


REFUSED: dict[str, tuple[Callable[..., Any], str]] = {
    "cumsum": (lambda U, p: U.cumsum(-1), "'cumsum' is not an allowed operation"),
    "roll": (lambda U, p: torch.roll(U, 1), "'roll' is not an allowed operation"),
    "einsum": (lambda U, p: torch.einsum("ij->ji", U), "'einsum' is not an allowed operation"),
    "stack": (lambda U, p: torch.stack([U, U]), "'stack' is not an allowed operation"),
    "add_": (lambda U, p: U.add_(1.0), "'add_' is not an allowed operation"),
    "item": (lambda U, p: U * U.sum().item(), "'item' is not an allowed operation"),
    "detach": (lambda U, p: U.detach(), "'detach' is not an allowed operation"),
    "std": (lambda U, p: U / U.std(), "'std' is not an allowed operation"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name_with_the_list_of_the_allowed(
    name: str, traced: Callable[..., RuleGraph]
) -> None:
    function, message = REFUSED[name]
    with pytest.raises(RuleError) as caught:
        traced("gate", function)
    text = str(caught.value)
    assert caught.value.check == "operations"
    assert message in text
    assert all(allowed in text for allowed in ALLOWED)


ARGUMENTS_REFUSED: dict[str, Callable[..., Any]] = {
    "the largest singular value": lambda U, p: U / torch.linalg.norm(U, 2),
    "the nuclear norm": lambda U, p: U / U.norm(p="nuc"),
    "the one-norm": lambda U, p: U / U.norm(p=1),
    "softplus with beta": lambda U, p: F.softplus(U, beta=2.0),
    "rounding division": lambda U, p: torch.div(U, 2, rounding_mode="floor"),
    "scaled addition": lambda U, p: torch.add(U, U, alpha=2),
    "a condition of numbers": lambda U, p: torch.where(U, U, 0.0),
    "and of numbers": lambda U, p: U & U,
    "not of numbers": lambda U, p: ~U,
    "not a number": lambda U, p: U + float("nan"),
    "one row": lambda U, p: U[0] + U,
    "rows by mask": lambda U, p: U[U > 0],
    "a slice": lambda U, p: U[:2],
    "a real tensor": lambda U, p: U + torch.ones(4),
    "a string": lambda U, p: U + "1",
}


@pytest.mark.parametrize("name", ARGUMENTS_REFUSED)
def test_arguments_that_would_mean_something_else_are_refused(
    name: str, traced: Callable[..., RuleGraph]
) -> None:
    with pytest.raises(RuleError) as caught:
        traced("gate", ARGUMENTS_REFUSED[name])
    assert caught.value.check == "operations"


@pytest.mark.parametrize(
    "function",
    [
        lambda U, p: U + p.eta,  # [C, d_v] + [C] does not broadcast unless C = d_v
        lambda U, p: U @ U,
        lambda U, p: U[:, :, None],
        lambda U, p: U.sum(2),
        lambda U, p: U @ p.step,
        lambda U, p: U.sum(-1),
        lambda U, p: U.T,
        lambda U, p: p.step,
        lambda U, p: None,
        lambda U, p: 1.0,
        lambda U, p: (U, U),
    ],
)
def test_wrong_shapes(function: Callable[..., Any], traced: Callable[..., RuleGraph]) -> None:
    with pytest.raises(RuleError) as caught:
        traced("gate", function)
    assert caught.value.check == "shapes"


def test_too_many_operations(traced: Callable[..., RuleGraph]) -> None:
    def endless(U: Any, p: Any) -> Any:
        for n in range(10_000):
            U = U * n + 1.0
        return U

    with pytest.raises(RuleError, match="more than 10000 operations"):
        traced("gate", endless)


def test_a_hook_may_be_the_first_to_call_torch() -> None:
    """torch.where with a number imports parts of torch, in the name of whoever calls it first."""
    rule = json.dumps(builtin_graph("softmax_attention").to_json())
    program = """
import json, sys, torch
from archer.rules.graph import rule_from_json
from archer.rules.torch_source import compile_hook
hook = compile_hook(rule_from_json(json.loads(sys.argv[1])).local, "hook")
x, ones = torch.rand(4, 4), torch.ones(1, 1)
print(hook(scores=x, scale=ones, causal=torch.ones(4, 4, dtype=torch.bool))[0].shape)
"""
    run = subprocess.run([sys.executable, "-c", program, rule], capture_output=True, text=True)
    assert run.stdout.strip() == "torch.Size([4, 4])", run.stderr
