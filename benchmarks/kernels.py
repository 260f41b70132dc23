"""Generated kernels against flash-linear-attention's, forward and backward, beside their floor.

    python benchmarks/kernels.py [--out kernels.json] [--rules delta momentum ...] [--quick]

Needs a GPU. Every speed is the median of repeated runs on random data in one process; a case whose
correctness check fails reports no speed. The floor is bytes over the measured copy bandwidth: q, k,
v, o read or written once forward, and again with their gradients backward.
"""

import argparse
import json
import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from archer.memory.chunkwise import chunkwise
from archer.memory.fused import fused
from archer.rules.graph import RuleGraph
from archer.rules.load import BUILTIN, builtin_graph

SHAPES = ((3072, 128, 1, 128), (3072, 128, 4, 32), (384, 1024, 1, 128), (8, 4096, 16, 128))
LENGTHS = ((512, 128), (64, 1024), (16, 4096), (4, 16384))  # sequences x length, 64 Ki tokens
LIMIT = 1e-2  # relative error allowed for bf16 inputs


@dataclass
class Case:
    """One measured case; times in milliseconds, NaN where the check failed."""

    name: str
    shape: tuple[int, ...]
    error: float
    forward: float
    both: float
    spread: float
    floor: float
    peer_both: float | None = None


Inputs = dict[str, Tensor]


def make_inputs(rule: RuleGraph, shape: tuple[int, ...], dtype: torch.dtype) -> Inputs:
    """Random q, k, v, beta (and g), each wanting a gradient, and the output's adjoint `do`."""
    N, T, H, D = shape
    torch.manual_seed(0)
    made = {name: torch.randn(N, T, H, D, device="cuda", dtype=dtype) for name in ("q", "k", "v")}
    made["beta"] = torch.rand(N, T, H, device="cuda")
    if rule.decay:
        made["g"] = -0.1 * torch.rand(N, T, H, device="cuda")
    made = {name: tensor.requires_grad_() for name, tensor in made.items()}
    return made | {"do": torch.randn(N, T, H, D, device="cuda", dtype=dtype)}


def knobs_of(rule: RuleGraph) -> dict[str, float]:
    """Defaults; Adam's eps at 1e-2, where it is not ill-conditioned."""
    return {k.name: 1e-2 if k.name == "eps" else k.default for k in rule.knobs}


def differentiate(output: Tensor, inputs: Inputs) -> list[Tensor]:
    wanted = [tensor for name, tensor in inputs.items() if name != "do"]
    return list(torch.autograd.grad(output, wanted, inputs["do"].to(output.dtype)))


def run_archer(rule: RuleGraph, inputs: Inputs) -> Tensor:
    given = {name: inputs[name] for name in ("q", "k", "v", "beta")}
    return fused(rule, **given, g=inputs.get("g"), knobs=knobs_of(rule), unit=True)


def unit(x: Tensor) -> Tensor:
    return x * (x.square().sum(-1, keepdim=True) + 1e-6).rsqrt()


def worst_error(rule: RuleGraph, shape: tuple[int, ...]) -> float:
    """Largest relative error of output and gradients against the float64 engine, few sequences."""
    inputs = make_inputs(rule, (2, min(shape[1], 512), *shape[2:]), torch.bfloat16)
    output = run_archer(rule, inputs)
    got = [output, *differentiate(output, inputs)]
    exact = {name: x.detach().double().requires_grad_() for name, x in inputs.items()}
    expected, _ = chunkwise(
        rule,
        unit(exact["q"]),
        unit(exact["k"]),
        exact["v"],
        exact["beta"],
        exact.get("g"),
        knobs=knobs_of(rule),
    )
    wanted = [expected, *differentiate(expected, exact)]
    errors = [(a.double() - b).norm() / b.norm() for a, b in zip(got, wanted, strict=True)]
    return float(torch.stack(errors).max())


def time_ms(call: Callable[[], Any]) -> tuple[float, float]:
    """Median and spread (80th minus 20th percentile) in ms."""
    from triton.testing import do_bench

    low, median, high = do_bench(call, warmup=20, rep=100, quantiles=[0.2, 0.5, 0.8])
    return median, high - low


def measure(rule: RuleGraph, shape: tuple[int, ...], bandwidth: float) -> Case:
    error = worst_error(rule, shape)
    nan = float("nan")
    tensor = 2 * shape[0] * shape[1] * shape[2] * shape[3]
    case = Case(rule.name, shape, error, nan, nan, nan, 11 * tensor / bandwidth * 1e3)
    if not error < LIMIT:
        return case
    inputs = make_inputs(rule, shape, torch.bfloat16)
    case.forward, _ = time_ms(lambda: run_archer(rule, inputs))
    case.both, case.spread = time_ms(lambda: differentiate(run_archer(rule, inputs), inputs))
    if rule.name in ("delta", "gated_delta"):
        case.peer_both = measure_peer(rule, inputs)
    return case


def measure_peer(rule: RuleGraph, inputs: Inputs) -> float | None:
    """flash-linear-attention's kernel on the same inputs, if it is installed and runs."""
    try:
        from fla.ops.delta_rule import chunk_delta_rule
        from fla.ops.gated_delta_rule import chunk_gated_delta_rule
    except ImportError:
        return None
    arguments = {name: inputs[name] for name in ("q", "k", "v", "beta")}
    arguments["beta"] = arguments["beta"].to(torch.bfloat16)

    def peer() -> list[Tensor]:
        if rule.decay:
            o, _ = chunk_gated_delta_rule(**arguments, g=inputs["g"], use_qk_l2norm_in_kernel=True)
        else:
            o, _ = chunk_delta_rule(**arguments, use_qk_l2norm_in_kernel=True)
        return differentiate(o, inputs)

    try:
        return time_ms(peer)[0]
    except Exception as error:
        print(f"flash-linear-attention does not run {rule.name}: {str(error).splitlines()[0]}")
        return None


def copy_bandwidth() -> float:
    """Bytes per second of a large device-to-device copy, read and written bytes counted."""
    x = torch.empty(2**30, device="cuda", dtype=torch.bfloat16)
    y = torch.empty_like(x)
    return 2 * x.nbytes / (time_ms(lambda: y.copy_(x))[0] * 1e-3)


def show(case: Case, delta: float | None) -> str:
    peer = (
        f"{case.peer_both:7.3f} {case.peer_both / case.both:5.2f}x" if case.peer_both else " " * 14
    )
    ratio = f"{case.both / delta:5.2f}" if delta else "     "
    return (
        f"{case.name:18s}{case.shape!s:24s}{case.error:9.1e}{case.forward:9.3f}{case.both:9.3f}"
        f" +-{case.spread:5.3f}{case.floor:8.3f} {peer} {ratio}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--rules", nargs="*", default=list(BUILTIN))
    parser.add_argument("--quick", action="store_true", help="first shape only for most rules")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        parser.error("this benchmark needs a GPU")
    bandwidth = copy_bandwidth()
    print(
        f"{torch.cuda.get_device_name()}, torch {torch.__version__}, "
        f"copy {bandwidth / 1e12:.2f} TB/s"
    )
    print(
        f"{'rule':18s}{'shape':24s}{'error':>9s}{'fwd ms':>9s}{'both ms':>9s}{'':8s}{'floor':>8s}"
        f"{'peer ms':>9s}{'ratio':>6s} /delta"
    )
    cases: list[Case] = []
    for shape in SHAPES:
        delta: float | None = None
        for name in options.rules:
            if options.quick and shape != SHAPES[0] and name not in ("delta", "gated_delta"):
                continue
            cases.append(measure(builtin_graph(name), shape, bandwidth))
            delta = cases[-1].both if name == "delta" else delta
            print(show(cases[-1], delta), flush=True)
    print("per token against length, delta, ns (1 head x 128):")
    for sequences, length in LENGTHS:
        case = measure(builtin_graph("delta"), (sequences * 8, length, 1, 128), bandwidth)
        cases.append(case)
        print(f"  {length:6d} {case.both * 1e6 / (sequences * 8 * length):8.3f}", flush=True)
    if options.out:
        versions = {"torch": torch.__version__, "python": platform.python_version()}
        record = {"card": torch.cuda.get_device_name(), "bandwidth": bandwidth, **versions}
        options.out.write_text(json.dumps(record | {"cases": [asdict(c) for c in cases]}, indent=1))


if __name__ == "__main__":
    main()
