"""The generated kernels on random data, and their error against the float64 engine."""

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from archer.memory.chunkwise import chunkwise
from archer.memory.fused import fused
from archer.memory.normalise import unit
from archer.rules.graph import RuleGraph
from archer.rules.load import builtin_graph

LIMIT = 1e-2  # relative error allowed for bf16 inputs
LONGEST = 1024  # longest sequence of the check
LONGEST_ADAM = 512  # Adam's errors grow with length, see docs/kernels.md
SEQUENCES = 2  # of the check

Shape = tuple[int, int, int, int]  # sequences, length, heads, head size
Inputs = dict[str, Tensor]
Run = Callable[[RuleGraph, Inputs], Tensor]


def make_inputs(
    rule: RuleGraph, shape: Shape, dtype: torch.dtype = torch.bfloat16, device: str = "cuda"
) -> Inputs:
    """Random q, k, v, beta (and g), each wanting a gradient, and the output's adjoint `do`."""
    N, T, H, D = shape
    torch.manual_seed(0)
    made = {name: torch.randn(N, T, H, D, device=device, dtype=dtype) for name in ("q", "k", "v")}
    made["beta"] = torch.rand(N, T, H, device=device)
    if rule.decay:
        made["g"] = -0.1 * torch.rand(N, T, H, device=device)
    made = {name: tensor.requires_grad_() for name, tensor in made.items()}
    return made | {"do": torch.randn(N, T, H, D, device=device, dtype=dtype)}


def knobs_of(rule: RuleGraph) -> dict[str, float]:
    """Defaults; Adam's eps at 1e-2, where it is not ill-conditioned."""
    return {k.name: 1e-2 if k.name == "eps" else k.default for k in rule.knobs}


def differentiate(output: Tensor, inputs: Inputs) -> list[Tensor]:
    """Gradients of everything but `do`, in the inputs' order."""
    wanted = [tensor for name, tensor in inputs.items() if name != "do"]
    return list(torch.autograd.grad(output, wanted, inputs["do"].to(output.dtype)))


def run_archer(rule: RuleGraph, inputs: Inputs) -> Tensor:
    """The generated kernels' output."""
    given = {name: inputs[name] for name in ("q", "k", "v", "beta")}
    return fused(rule, **given, g=inputs.get("g"), knobs=knobs_of(rule), unit=True)


def run_fla(rule: RuleGraph, inputs: Inputs) -> Tensor:
    """flash-linear-attention's kernel for `delta` or `gated_delta`; its beta has q's dtype."""
    from fla.ops.delta_rule import chunk_delta_rule
    from fla.ops.gated_delta_rule import chunk_gated_delta_rule

    given = {name: inputs[name] for name in ("q", "k", "v", "beta")}
    if rule.decay:
        return chunk_gated_delta_rule(**given, g=inputs["g"], use_qk_l2norm_in_kernel=True)[0]
    return chunk_delta_rule(**given, use_qk_l2norm_in_kernel=True)[0]


def run_exact(rule: RuleGraph, inputs: Inputs) -> Tensor:
    """The PyTorch engine's output."""
    q, k, v, beta = (inputs[name] for name in ("q", "k", "v", "beta"))
    return chunkwise(
        rule, unit(q), unit(k), v, beta, inputs.get("g"), knobs=knobs_of(rule)
    )[0]  # fmt: skip


def checked_length(rule: RuleGraph, length: int) -> int:
    """How long the sequences of the check are."""
    longest = LONGEST_ADAM if "eps" in {knob.name for knob in rule.knobs} else LONGEST
    return min(length, longest)


def relative_errors(found: list[Tensor], expected: list[Tensor]) -> float:
    """The largest of |a - b| / |b| over the tensors; NaN if one is not finite."""
    errors = [
        (a.detach().double() - b.detach().double()).norm() / b.detach().double().norm()
        for a, b in zip(found, expected, strict=True)
    ]
    return float(torch.stack(errors).max())


def error_of(run: Run, rule: RuleGraph, inputs: Inputs) -> float:
    """Largest relative error of output and gradients against the float64 engine."""
    output = run(rule, inputs)
    got = [output, *differentiate(output, inputs)]
    exact = {name: x.detach().double().requires_grad_() for name, x in inputs.items()}
    expected = run_exact(rule, exact)
    return relative_errors(got, [expected, *differentiate(expected, exact)])


@lru_cache(maxsize=256)
def error_at(name: str, length: int, heads: int, size: int) -> float:
    """`error_of` our kernels on a few sequences."""
    rule = builtin_graph(name)
    return error_of(run_archer, rule, make_inputs(rule, (SEQUENCES, length, heads, size)))


@lru_cache(maxsize=256)
def fla_error(name: str, length: int, heads: int, size: int) -> float:
    """`error_of` flash-linear-attention's kernel, with beta rounded as it takes it."""
    rule = builtin_graph(name)
    inputs = make_inputs(rule, (SEQUENCES, length, heads, size))
    inputs["beta"] = inputs["beta"].detach().to(inputs["q"].dtype).requires_grad_()
    return error_of(run_fla, rule, inputs)


def worst_error(rule: RuleGraph, shape: Shape) -> float:
    """`error_at` for a measured shape: its heads, at most LONGEST positions, few sequences."""
    return error_at(rule.name, checked_length(rule, shape[1]), *shape[2:])
