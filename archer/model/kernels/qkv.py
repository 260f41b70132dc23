"""q, k and v of a block in one pass: a linear map, the causal convolution of width 4, SiLU.

x = h W
z_t = w0 x_{t-3} + w1 x_{t-2} + w2 x_{t-1} + w3 x_t        y = z sigmoid(z)

x is kept for the backward pass (`conv`, `linear`).
"""

# Triton gives the arguments of a kernel their types.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls

import torch
import triton.language as tl
from torch import Tensor

from archer.model.kernels.tiles import jit

TIMES, WARPS = 128, 8


@jit
def _forward(
    h, weight, taps, x, y, B, T, M, MT, D: tl.constexpr, C: tl.constexpr, BT: tl.constexpr,
):  # fmt: skip
    sequence = tl.program_id(0).to(tl.int64)
    member = sequence // B
    i = tl.arange(0, D)
    columns = tl.program_id(1) * D + i
    w = tl.load(weight + member * M + i[:, None] * C + columns[None, :])
    taps += member * MT + columns
    h += sequence * T * D
    x += sequence * T * C
    y += sequence * T * C
    for start in range(0, T, BT):
        times = start + tl.arange(0, BT)
        ok = (times < T)[:, None]
        rows = tl.load(h + times[:, None] * D + i[None, :], mask=ok, other=0.0)
        now = tl.dot(rows, w, input_precision="ieee").to(x.dtype.element_ty)
        at = times[:, None] * C + columns[None, :]
        tl.store(x + at, now, mask=ok)
        # the rows before come from other threads, of this round and the last
        tl.debug_barrier()
        z = now.to(tl.float32) * tl.load(taps + 3 * C)[None, :]
        for j in tl.static_range(3):
            ago = 3 - j
            before = ok & (times >= ago)[:, None]
            value = tl.load(x + at - ago * C, mask=before, other=0.0)
            z += value.to(tl.float32) * tl.load(taps + j * C)[None, :]
        tl.store(y + at, (z * tl.sigmoid(z)).to(y.dtype.element_ty), mask=ok)


def qkv(hidden: Tensor, weight: Tensor, taps: Tensor) -> tuple[Tensor, Tensor]:
    """hidden: [P, B, T, D], weight: [P, D, C] in the compute type, taps: [P, 4, C] fp32 -> x, y.

    x, y: [P, B, T, C]; C is a multiple of D.
    """
    P, B, T, D = hidden.shape
    C = weight.shape[-1]
    x = hidden.new_empty(P, B, T, C)
    y = torch.empty_like(x)
    # one stage: a load of x must not be moved before the store it reads
    _forward[(P * B, C // D)](
        hidden, weight, taps, x, y, B, T, weight.stride(0), taps.stride(0), D=D, C=C,
        BT=TIMES, num_warps=WARPS, num_stages=1,
    )  # fmt: skip
    return x, y
