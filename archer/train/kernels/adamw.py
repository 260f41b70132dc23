"""AdamW over the flat buffers of a population in one pass.

Per number: read gradient, both moments and value; write moments, value and its bf16 copy.
"""

# Triton gives the arguments of a kernel their types.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls

import triton.language as tl
from torch import Tensor

from archer.model.kernels.tiles import jit

BLOCK = 2048


@jit
def _step(
    values, grads, mean, square, low, lr, weight_decay, steps, active, decays, M,
    LN_BETA1: tl.constexpr, LN_BETA2: tl.constexpr, BETA1: tl.constexpr, BETA2: tl.constexpr,
    EPS: tl.constexpr, LOW: tl.constexpr, SOME_DECAY: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    member = tl.program_id(1).to(tl.int64)
    if tl.load(active + member) == 0:
        return
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    ok = at < M
    row = member * M + at
    # in double until the last moment, as torch.optim.AdamW has its numbers
    step = tl.load(steps + member)
    rate = tl.load(lr + member)
    size = (rate / (1.0 - tl.exp(step * LN_BETA1))).to(tl.float32)
    root = tl.sqrt(1.0 - tl.exp(step * LN_BETA2)).to(tl.float32)
    shrink = (1.0 - rate * tl.load(weight_decay + member)).to(tl.float32)

    g = tl.load(grads + row, mask=ok, other=0.0)
    m = tl.load(mean + row, mask=ok, other=0.0)
    v = tl.load(square + row, mask=ok, other=0.0)
    value = tl.load(values + row, mask=ok, other=0.0)
    m += (1.0 - BETA1) * (g - m)
    v = BETA2 * v + (1.0 - BETA2) * g * g
    kept = value * shrink
    if SOME_DECAY:
        kept = tl.where(tl.load(decays + at, mask=ok, other=0) != 0, kept, value)
    value = kept - size * (m / (tl.sqrt_rn(v) / root + EPS))
    tl.store(mean + row, m, mask=ok)
    tl.store(square + row, v, mask=ok)
    tl.store(values + row, value, mask=ok)
    if LOW:
        tl.store(low + row, value.to(low.dtype.element_ty), mask=ok)


def adamw(
    values: Tensor,
    grads: Tensor,
    mean: Tensor,
    square: Tensor,
    low: Tensor | None,
    lr: Tensor,
    weight_decay: Tensor,
    steps: Tensor,
    active: Tensor,
    decays: Tensor | None,
    betas: tuple[float, float],
    logs: tuple[float, float],
    eps: float,
) -> None:
    """One update, in place. values, grads, mean, square: [P, M] fp32; low: their copy, [P, M].

    lr, weight_decay, steps (this one counted): [P] fp64; active: [P] int8; decays: [M] int8, 0
    where weight decay does not act, None if it acts everywhere; logs: of the betas.
    """
    P, M = values.shape
    _step[(-(-M // BLOCK), P)](
        values, grads, mean, square, values if low is None else low, lr, weight_decay, steps,
        active, active if decays is None else decays, M,
        LN_BETA1=logs[0], LN_BETA2=logs[1], BETA1=betas[0], BETA2=betas[1], EPS=eps,
        LOW=low is not None, SOME_DECAY=decays is not None, BLOCK=BLOCK, num_warps=8,
    )  # fmt: skip
