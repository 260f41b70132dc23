"""Backward through the causal convolution of width 4 and SiLU; see `conv`.

dx_t = w3 dz_t + w2 dz_{t+1} + w1 dz_{t+2} + w0 dz_{t+3}    dw_j = sum_t dz_t x_{t-3+j}

z is computed again from x. dx is stored three steps late, when the last dz it needs is known.
"""

# Triton gives the arguments of a kernel their types.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls

import torch
import triton.language as tl
from torch import Tensor

from archer.model.kernels.conv import (
    WIDTH,
    Walk,
    convolve,
    load_before,
    load_steps,
    load_taps,
    segments,
    store_steps,
)
from archer.model.kernels.tiles import Tiling, jit, partial_sum, sigmoid

BACKWARD = Walk(Tiling(4, 128, 4, 1, 112), 128, 4)


@jit
def _adjoint(z, g):
    """dz from dy."""
    s = sigmoid(z)
    return g * s * (1.0 + z * (1.0 - s))


@jit
def _inputs(xs, gs, past, later, taps, sums, U: tl.constexpr):
    """dx, as it is stored, of the U steps that end three before those given.

    Also the last three x and dz, and the sums for the taps with the U steps added.
    """
    found = ()
    for u in tl.static_range(U):
        x0 = xs[u].to(tl.float32)
        d0 = _adjoint(convolve(x0, past, taps), gs[u].to(tl.float32))
        s0, s1, s2, s3 = sums
        sums = (s0 + d0 * past[2], s1 + d0 * past[1], s2 + d0 * past[0], s3 + d0 * x0)
        out = taps[3] * later[2] + taps[2] * later[1] + taps[1] * later[0] + taps[0] * d0
        found += (out.to(xs[u].dtype),)  # type: ignore[assignment]
        past = (x0, past[0], past[1])
        later = (d0, later[0], later[1])
    return found, past, later, sums


@jit
def _pick(dq, dk, dv, part):
    dy = dq
    if part == 1:
        dy = dk
    if part == 2:
        dy = dv
    return dy


@jit
def _backward(
    x, weight, dq, dk, dv, dx, partial, B, T, M,
    C: tl.constexpr, D: tl.constexpr, BC: tl.constexpr, R: tl.constexpr,
    L: tl.constexpr, U: tl.constexpr, EVEN: tl.constexpr,
):  # fmt: skip
    member = tl.program_id(2).to(tl.int64)
    part = tl.program_id(0) % 3
    local = (tl.program_id(0) // 3) * BC + tl.arange(0, BC)
    columns = part * D + local
    inside = (local < D)[None, :]
    token, begin, end = segments(B, T, R, L)
    token = member * B * T + token
    x += token * C + columns[None, :]
    dx += (token - 3) * C + columns[None, :]
    dy = _pick(dq, dk, dv, part) + (token * D + local[None, :])
    past = load_before(x, begin, end, inside, C)
    xs = load_steps(x, begin, end, inside, C, U, EVEN)
    gs = load_steps(dy, begin, end, inside, D, U, EVEN)
    taps = load_taps(weight + member * M + columns, local < D, C)
    zero = tl.zeros((R, BC), dtype=tl.float32)
    later, sums = (zero, zero, zero), (zero, zero, zero, zero)
    out, past, later, sums = _inputs(xs, gs, past, later, taps, sums, U)
    for start in range(U, L, U):
        x += U * C
        dy += U * D
        xs = load_steps(x, begin + start, end, inside, C, U, EVEN)
        gs = load_steps(dy, begin + start, end, inside, D, U, EVEN)
        store_steps(dx, out, start - U - 3, begin, end, inside, C, U, True, EVEN)
        out, past, later, sums = _inputs(xs, gs, past, later, taps, sums, U)
        dx += U * C
    # dx of the last three steps needs dz of the next segment, whose x and dy are read again.
    xs = load_steps(x + U * C, begin + L, end, inside, C, 3, False)
    gs = load_steps(dy + U * D, begin + L, end, inside, D, 3, False)
    store_steps(dx, out, L - U - 3, begin, end, inside, C, U, True, EVEN)
    out, past, later, _ = _inputs(xs, gs, past, later, taps, sums, 3)
    store_steps(dx + U * C, out, L - 3, begin, end, inside, C, 3, False, EVEN)
    partial += (member * tl.num_programs(1) + tl.program_id(1)) * 4 * C + columns
    for j in tl.static_range(4):
        tl.store(partial + j * C, tl.sum(sums[j], 0), mask=local < D)


def conv_silu_backward(
    x: Tensor, weight: Tensor, dys: tuple[Tensor, ...], dweight: Tensor
) -> Tensor:
    """dx [P, B, T, C] from gradients of y's columns in three equal parts, [P, B, T, D] contiguous.

    Sets dweight [P, 4, C]. y is computed again from x.
    """
    P, B, T, C = x.shape
    dq, dk, dv = dys
    dx = torch.empty_like(x)
    programs, blocks, options = BACKWARD.cut(x, 3)
    partial = x.new_empty((P, programs, WIDTH, C), dtype=torch.float32)
    _backward[(blocks, programs, P)](
        x, weight, dq, dk, dv, dx, partial, B, T, weight.stride(0), C=C, D=C // 3, **options
    )
    partial_sum(partial, dweight)
    return dx
