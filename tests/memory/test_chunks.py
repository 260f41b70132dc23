"""Generated kernels chunk by chunk: every step against float64 from the kernel's own state.

End to end a rule like `adam` enlarges rounding a thousandfold (docs/kernels.md); a single step
does not, and here every one is held by itself, at the rule's own eps.
"""

import pytest
import torch
from torch import Tensor

from archer.memory import names
from archer.memory.fused import launch_shape
from archer.memory.generated import kernels_for
from archer.memory.hooks import Hooks
from archer.memory.launch import Launch
from archer.rules.load import builtin_graph

pytest.importorskip("triton")
if torch.cuda.is_available():
    pytest.skip("these run in Triton's interpreter", allow_module_level=True)

N, T, H, D, C = 2, 64, 2, 16, 16


def inputs(rule) -> list[Tensor]:
    torch.manual_seed(0)
    q, k, v = (torch.randn(N, T, H, D) for _ in range(3))
    q, k = (x / x.norm(dim=-1, keepdim=True) for x in (q, k))
    return [q, k, v, torch.rand(N, T, H)]


def chunk(x: Tensor, n: int) -> Tensor:
    """Chunk n of [N, T, H, ...] in float64, [N, H, C, ...]."""
    return x[:, n * C : (n + 1) * C].double().transpose(1, 2)


def saved(launch: Launch, name: str, n: int) -> Tensor:
    """What the kernel kept before chunk n, [N, H, d_k, d_v]; zero before the first."""
    kept = launch.kept[name].view(N, H, -1, D, D)[:, :, n].double()
    return torch.zeros_like(kept) if n == 0 else kept


@pytest.mark.parametrize("name", ["delta", "momentum", "adam", "adam_softmax"])
def test_every_step_from_the_kernels_own_state(name):
    rule = builtin_graph(name)
    q, k, v, beta = inputs(rule)
    shape = launch_shape(rule, q, v, C, unit=False)
    compiled = kernels_for(rule, shape, frozenset())
    knobs = [torch.full((N, H), rule.knob(n).default) for n in compiled.kernels.knobs]
    if name.startswith("adam"):
        assert set(compiled.kernels.saved_slots) == set(rule.slots)
    launch = Launch(compiled, (q, k, v, beta, None, *knobs))
    output = launch.forward()

    masks = torch.ones(C, C, dtype=torch.bool).tril()
    values = {spec.name: torch.full((1, 1, 1, 1), spec.default).double() for spec in rule.knobs}
    sizes = {"C": float(C), "d_k": float(D), "d_v": float(D)}
    hooks = Hooks(rule, values, {}, sizes, masks, before=0)
    all_scores = torch.stack([chunk(q, n) @ chunk(k, n).mT for n in range(T // C)], 2)
    weights = hooks.local((all_scores * D**-0.5).masked_fill(~masks, 0.0))
    for n in range(T // C):
        S = saved(launch, "S", n)
        slots = {slot: saved(launch, names.slot(slot), n) for slot in compiled.kernels.saved_slots}
        K, B = chunk(k, n), chunk(beta[..., None], n)
        A = (B * (K @ K.mT)).tril(-1) + torch.eye(C).double()
        Y = torch.linalg.solve(A, B * (chunk(v, n) - K @ S))
        exact = chunk(q, n) @ S * D**-0.5 + weights[:, :, n] @ Y
        close(chunk(output, n), exact, f"output of chunk {n}")
        if n + 1 == T // C or set(slots) != set(rule.slots):
            continue
        after, slots = hooks.write(S, K.mT @ Y, slots, n)
        close(saved(launch, "S", n + 1), after, f"S after chunk {n}")
        for slot, value in slots.items():
            close(saved(launch, names.slot(slot), n + 1), value, f"{slot} after chunk {n}")


def close(found: Tensor, exact: Tensor, what: str) -> None:
    error = (found - exact).norm() / exact.norm()
    assert error < 1e-4, f"{what}: {error:.1e}"
