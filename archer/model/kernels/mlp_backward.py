"""Backward through the second half of a block; see `mlp`.

The inner activations are computed again, and written once for the products of the weights'
gradients, which are left to cuBLAS.
"""

# Triton gives the arguments of a kernel their types.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls

import torch
import triton.language as tl
from torch import Tensor

from archer.model.kernels.heads import heads_norm, heads_norm_vjp
from archer.model.kernels.mlp import Weights, load_down, load_square, load_up
from archer.model.kernels.tiles import (
    inverse_rms,
    jit,
    load_rows,
    load_vector,
    norm_vjp,
    partial_sum,
    store_rows,
    tiles,
)

ROWS, INNER, WARPS, STAGES = 64, 32, 4, 3


@jit
def store_inner(
    out, tile, member, rows, ok, at, N, I: tl.constexpr, BI: tl.constexpr,  # noqa: E741
):  # fmt: skip
    columns = at + tl.arange(0, BI)
    mask = ok[:, None] & (columns < I)[None, :]
    tl.store(out + member * N * I + rows[:, None] * I + columns[None, :], tile, mask=mask)


@jit
def _backward(
    o, y, dz, heads, mix, norm, gate, value, down, do, dy, scaled_out, h_out, s_out, da_out,
    db_out, partial_heads, partial_norm, N, M,
    D: tl.constexpr, H: tl.constexpr, I: tl.constexpr, EPS: tl.constexpr,  # noqa: E741
    R: tl.constexpr, BI: tl.constexpr,
):  # fmt: skip
    member = tl.program_id(1).to(tl.int64)
    rows = tl.program_id(0) * R + tl.arange(0, R)
    ok = rows < N
    low = gate.dtype.element_ty
    mix += member * M
    gate += member * M
    value += member * M
    down += member * M
    w = load_vector(norm, member, M, D)
    before = load_rows(y, member, rows, ok, N, D)
    h = (before * inverse_rms(before, D, EPS) * w[None, :]).to(low)
    g = load_rows(dz, member, rows, ok, N, D)
    store_rows(h_out, h, member, rows, ok, N, D)
    dh = tl.zeros((R, D), dtype=tl.float32)
    for at in range(0, I, BI):
        up_a = load_up(gate, at, D, I, BI)
        up_b = load_up(value, at, D, I, BI)
        ds = tl.dot(g, tl.trans(load_down(down, at, D, I, BI)), input_precision="ieee")
        a = tl.dot(h, up_a, input_precision="ieee")
        b = tl.dot(h, up_b, input_precision="ieee")
        sigma = tl.sigmoid(a)
        silu = a * sigma
        db = (ds * silu).to(low)
        da = (ds * b * (sigma + silu * (1.0 - sigma))).to(low)
        store_inner(s_out, (silu * b).to(low), member, rows, ok, at, N, I, BI)
        store_inner(da_out, da, member, rows, ok, at, N, I, BI)
        store_inner(db_out, db, member, rows, ok, at, N, I, BI)
        dh = tl.dot(da, tl.trans(up_a), acc=dh, input_precision="ieee")
        dh = tl.dot(db, tl.trans(up_b), acc=dh, input_precision="ieee")
    again = load_rows(y, member, rows, ok, N, D)
    inverse = inverse_rms(again, D, EPS)
    unit = again * inverse
    back = load_rows(dz, member, rows, ok, N, D).to(tl.float32)
    back = (back + norm_vjp(dh, unit, inverse, w, D)).to(low)
    store_rows(dy, back, member, rows, ok, N, D)
    program = member * tl.num_programs(0) + tl.program_id(0)
    tl.store(partial_norm + program * D + tl.arange(0, D), tl.sum(dh * unit, 0))

    dscaled = tl.dot(back, tl.trans(load_square(mix, D)), input_precision="ieee")
    read = load_rows(o, member, rows, ok, N, D).to(tl.float32)
    unit_o, inverse_o, scaled = heads_norm(read, heads, member, M, H, D // H, EPS)
    store_rows(scaled_out, scaled, member, rows, ok, N, D)
    K: tl.constexpr = D // H
    do_tile, dheads = heads_norm_vjp(dscaled, unit_o, inverse_o, heads, member, M, H, K)
    store_rows(do, do_tile, member, rows, ok, N, D)
    tl.store(partial_heads + program * K + tl.arange(0, K), dheads)


def mlp_backward(
    o: Tensor, y: Tensor, dz: Tensor, weights: Weights, eps: float, gradients: Weights
) -> tuple[Tensor, Tensor]:
    """do, as o, and dy (of x too) from dz; sets the weights' gradients.

    y: [P, N, D] fp32; all other tensors [P, N, D] are in the compute type. The gradient of the
    stream is one of them: autocast would keep it in fp32.
    """
    P, N, D = o.shape
    I, K = weights.gate.shape[-1], weights.heads.shape[-1]  # noqa: E741
    dtype = weights.gate.dtype
    do, dy = torch.empty_like(o), torch.empty_like(dz)
    scaled, h = (y.new_empty((P, N, D), dtype=dtype) for _ in range(2))
    s, da, db = (y.new_empty((P, N, I), dtype=dtype) for _ in range(3))
    programs = tiles(N, ROWS)
    partial_norm, partial_heads = y.new_empty(P, programs, D), y.new_empty(P, programs, K)
    _backward[(programs, P)](
        o, y, dz, weights.heads, weights.mix, weights.norm, weights.gate, weights.value,
        weights.out, do, dy, scaled, h, s, da, db, partial_heads, partial_norm, N,
        weights.gate.stride(0), D=D, H=D // K, I=I, EPS=eps, R=ROWS, BI=INNER, num_warps=WARPS,
        num_stages=STAGES,
    )  # fmt: skip
    partial_sum(partial_norm, gradients.norm)
    partial_sum(partial_heads, gradients.heads)
    product_into(gradients.mix, scaled.mT, dy)
    product_into(gradients.gate, h.mT, da)
    product_into(gradients.value, h.mT, db)
    product_into(gradients.out, s.mT, dz)
    return do, dy


def product_into(out: Tensor, left: Tensor, right: Tensor) -> None:
    """out = left right, in fp32 for bf16 factors; out may be a view of the flat buffer."""
    if left.dtype == out.dtype:
        torch.bmm(left, right, out=out)
    else:
        torch.bmm(left, right, out.dtype, out=out)
