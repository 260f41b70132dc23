"""The causal convolution of width 4 and SiLU on q, k and v, read once and written once.

z_t = w0 x_{t-3} + w1 x_{t-2} + w2 x_{t-1} + w3 x_t        y = z sigmoid(z)
dx_t = w3 dz_t + w2 dz_{t+1} + w1 dz_{t+2} + w0 dz_{t+3}    dw_j = sum_t dz_t x_{t-3+j}
"""

# Triton gives the arguments of a kernel their types.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls

import torch
import triton.language as tl
from torch import Tensor

from archer.model.kernels.tiles import jit, partial_sum, tiles

WIDTH = 4
TIMES, COLUMNS, WARPS = 16, 128, 4
# Backward: sequences and columns of a program, time steps unrolled, time steps of a program.
SEQUENCES, BACKWARD_COLUMNS, UNROLL, SEGMENT, BACKWARD_WARPS = 2, 128, 4, 64, 2


@jit
def _forward(
    x, weight, y, B, T, M, C: tl.constexpr, BT: tl.constexpr, BC: tl.constexpr,
):  # fmt: skip
    sequence = tl.program_id(2).to(tl.int64)
    times = tl.program_id(0) * BT + tl.arange(0, BT)
    columns = tl.program_id(1) * BC + tl.arange(0, BC)
    ok_c = columns < C
    weight += (sequence // B) * M + columns
    x += sequence * T * C
    z = tl.zeros((BT, BC), dtype=tl.float32)
    for j in tl.static_range(4):
        at = times - 3 + j
        ok = ((at >= 0) & (at < T))[:, None] & ok_c[None, :]
        tap = tl.load(weight + j * C, mask=ok_c, other=0.0)
        value = tl.load(x + at[:, None] * C + columns[None, :], mask=ok, other=0.0)
        z += value.to(tl.float32) * tap[None, :]
    out = (z * tl.sigmoid(z)).to(y.dtype.element_ty)
    ok = (times < T)[:, None] & ok_c[None, :]
    tl.store(y + sequence * T * C + times[:, None] * C + columns[None, :], out, mask=ok)


def conv_silu(x: Tensor, weight: Tensor) -> Tensor:
    """x: [P, B, T, C], weight: [P, 4, C] fp32 -> y, as x."""
    P, B, T, C = x.shape
    y = torch.empty_like(x)
    grid = tiles(T, TIMES), tiles(C, COLUMNS), P * B
    _forward[grid](
        x, weight, y, B, T, weight.stride(0), C=C, BT=TIMES, BC=COLUMNS, num_warps=WARPS
    )  # fmt: skip
    return y


@jit
def _backward(
    x, weight, dy, dx, partial, B, T, M, first,
    C: tl.constexpr, D: tl.constexpr, BC: tl.constexpr,
    SQ: tl.constexpr, SEGMENT: tl.constexpr, U: tl.constexpr,
):  # fmt: skip
    member = tl.program_id(2).to(tl.int64)
    segment = tl.program_id(0) % tl.cdiv(T, SEGMENT)
    sequences = (tl.program_id(0) // tl.cdiv(T, SEGMENT)) * SQ + tl.arange(0, SQ)
    local = tl.program_id(1) * BC + tl.arange(0, BC)
    columns = first + local
    ok = (sequences < B)[:, None] & (local < D)[None, :]
    begin = segment * SEGMENT
    end = tl.minimum(begin + SEGMENT, T)

    taps = weight + member * M + columns
    w0 = tl.load(taps, mask=local < D, other=0.0)[None, :]
    w1 = tl.load(taps + C, mask=local < D, other=0.0)[None, :]
    w2 = tl.load(taps + 2 * C, mask=local < D, other=0.0)[None, :]
    w3 = tl.load(taps + 3 * C, mask=local < D, other=0.0)[None, :]
    base = (member * B + sequences)[:, None] * T
    x += base * C + columns[None, :]
    dx += base * C + columns[None, :]
    dy += base * D + local[None, :]

    x1 = tl.load(x + (begin - 1) * C, mask=ok & (begin >= 1), other=0.0).to(tl.float32)
    x2 = tl.load(x + (begin - 2) * C, mask=ok & (begin >= 2), other=0.0).to(tl.float32)
    x3 = tl.load(x + (begin - 3) * C, mask=ok & (begin >= 3), other=0.0).to(tl.float32)
    zero = tl.zeros((SQ, BC), dtype=tl.float32)
    d1, d2, d3 = zero, zero, zero
    dw0, dw1, dw2, dw3 = zero, zero, zero, zero
    for start in range(begin, end + 3, U):
        for u in tl.static_range(U):
            t = start + u
            x0 = tl.load(x + t * C, mask=ok & (t < T), other=0.0).to(tl.float32)
            g = tl.load(dy + t * D, mask=ok & (t < T), other=0.0).to(tl.float32)
            z = w0 * x3 + w1 * x2 + w2 * x1 + w3 * x0
            s = tl.sigmoid(z)
            d0 = g * s * (1.0 + z * (1.0 - s))
            out = w3 * d3 + w2 * d2 + w1 * d1 + w0 * d0
            late = ok & (t - 3 >= begin) & (t - 3 < end)
            tl.store(dx + (t - 3) * C, out.to(dx.dtype.element_ty), mask=late)
            mine = tl.where(t < end, d0, 0.0)
            dw0 += mine * x3
            dw1 += mine * x2
            dw2 += mine * x1
            dw3 += mine * x0
            x3, x2, x1 = x2, x1, x0
            d3, d2, d1 = d2, d1, d0
    partial += (member * tl.num_programs(0) + tl.program_id(0)) * 4 * C + columns
    tl.store(partial, tl.sum(dw0, 0), mask=local < D)
    tl.store(partial + C, tl.sum(dw1, 0), mask=local < D)
    tl.store(partial + 2 * C, tl.sum(dw2, 0), mask=local < D)
    tl.store(partial + 3 * C, tl.sum(dw3, 0), mask=local < D)


def conv_silu_backward(
    x: Tensor, weight: Tensor, dys: tuple[Tensor, ...], dweight: Tensor
) -> Tensor:
    """dx [P, B, T, C] from gradients of equal parts of y's columns, [P, B, T, D] contiguous each.

    Sets dweight [P, 4, C]. y is computed again from x.
    """
    P, B, T, C = x.shape
    D = C // len(dys)
    dx = torch.empty_like(x)
    rows = tiles(B, SEQUENCES) * tiles(T, SEGMENT)
    partial = x.new_empty((P, rows, WIDTH, C), dtype=torch.float32)
    for part, dy in enumerate(dys):
        _backward[(rows, tiles(D, BACKWARD_COLUMNS), P)](
            x, weight, dy, dx, partial, B, T, weight.stride(0), part * D,
            C=C, D=D, BC=BACKWARD_COLUMNS, SQ=SEQUENCES, SEGMENT=SEGMENT, U=UNROLL,
            num_warps=BACKWARD_WARPS,
        )  # fmt: skip
    partial_sum(partial, dweight)
    return dx
