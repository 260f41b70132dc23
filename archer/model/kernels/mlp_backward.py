"""Backward through the second half of a block; see `mlp`.

`_inner` computes the inner activations again and writes what the products of the weights'
gradients read; `_outer` takes their gradients back to the stream and through the output map. As
one kernel the two hold so many registers that a multiprocessor waits more than it computes.
"""

# Triton gives the arguments of a kernel their types.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls

import torch
import triton.language as tl
from torch import Tensor

from archer.model.kernels.heads import heads_norm, heads_norm_vjp
from archer.model.kernels.mlp import Kept, Weights, load_down, load_square, load_up
from archer.model.kernels.tiles import (
    Tiling,
    inverse_rms,
    jit,
    load_rows,
    load_vector,
    norm_vjp,
    partial_sum,
    store_rows,
    tiles,
)

INNER = Tiling(64, 32, 4, 2)
OUTER = Tiling(64, 32, 4, 3)


@jit
def load_inner(source, member, rows, ok, at, N, I: tl.constexpr, BI: tl.constexpr):  # noqa: E741
    """Columns [R, BI] of a [P, N, I] tensor, from `at` on."""
    columns = at + tl.arange(0, BI)
    mask = ok[:, None]
    if I % BI != 0:
        mask = mask & (columns < I)[None, :]
    at = rows[:, None] * I + columns[None, :]
    return tl.load(source + member * N * I + at, mask=mask, other=0.0)


@jit
def store_inner(
    out, tile, member, rows, ok, at, N, I: tl.constexpr, BI: tl.constexpr,  # noqa: E741
):  # fmt: skip
    columns = at + tl.arange(0, BI)
    mask = ok[:, None] & (columns < I)[None, :]
    tl.store(out + member * N * I + rows[:, None] * I + columns[None, :], tile, mask=mask)


@jit
def _inner(
    h, dz, gate, value, down, s_out, da_out, db_out, N, M,
    D: tl.constexpr, I: tl.constexpr, R: tl.constexpr, BI: tl.constexpr,  # noqa: E741
):  # fmt: skip
    member = tl.program_id(1).to(tl.int64)
    rows = tl.program_id(0) * R + tl.arange(0, R)
    ok = rows < N
    low = gate.dtype.element_ty
    gate += member * M
    value += member * M
    down += member * M
    g = load_rows(dz, member, rows, ok, N, D)
    x = load_rows(h, member, rows, ok, N, D)
    for at in range(0, I, BI):
        ds = tl.dot(g, tl.trans(load_down(down, at, D, I, BI)), input_precision="ieee")
        a = tl.dot(x, load_up(gate, at, D, I, BI), input_precision="ieee")
        b = tl.dot(x, load_up(value, at, D, I, BI), input_precision="ieee")
        sigma = tl.sigmoid(a)
        silu = a * sigma
        store_inner(s_out, (silu * b).to(low), member, rows, ok, at, N, I, BI)
        da = ds * b * (sigma + silu * (1.0 - sigma))
        store_inner(da_out, da.to(low), member, rows, ok, at, N, I, BI)
        store_inner(db_out, (ds * silu).to(low), member, rows, ok, at, N, I, BI)


@jit
def _outer(
    o, y, dz, da, db, heads, mix, norm, gate, value, do, dy, scaled_out, partial_heads,
    partial_norm, N, M,
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
    dh = tl.zeros((R, D), dtype=tl.float32)
    for at in range(0, I, BI):
        da_tile = load_inner(da, member, rows, ok, at, N, I, BI)
        db_tile = load_inner(db, member, rows, ok, at, N, I, BI)
        up_a, up_b = load_up(gate, at, D, I, BI), load_up(value, at, D, I, BI)
        dh = tl.dot(da_tile, tl.trans(up_a), acc=dh, input_precision="ieee")
        dh = tl.dot(db_tile, tl.trans(up_b), acc=dh, input_precision="ieee")
    before = load_rows(y, member, rows, ok, N, D).to(tl.float32)
    inverse = inverse_rms(before, D, EPS)
    unit = before * inverse
    program = member * tl.num_programs(0) + tl.program_id(0)
    tl.store(partial_norm + program * D + tl.arange(0, D), tl.sum(dh * unit, 0))
    back = norm_vjp(dh, unit, inverse, load_vector(norm, member, M, D), D)
    back = (back + load_rows(dz, member, rows, ok, N, D).to(tl.float32)).to(low)
    store_rows(dy, back, member, rows, ok, N, D)

    dscaled = tl.dot(back, tl.trans(load_square(mix, D)), input_precision="ieee")
    read = load_rows(o, member, rows, ok, N, D).to(tl.float32)
    unit_o, inverse_o, scaled = heads_norm(read, heads, member, M, H, D // H, EPS)
    store_rows(scaled_out, scaled, member, rows, ok, N, D)
    K: tl.constexpr = D // H
    do_tile, dheads = heads_norm_vjp(dscaled, unit_o, inverse_o, heads, member, M, H, K)
    store_rows(do, do_tile, member, rows, ok, N, D)
    tl.store(partial_heads + program * K + tl.arange(0, K), dheads)


def mlp_backward(
    o: Tensor, kept: Kept, dz: Tensor, weights: Weights, eps: float, gradients: Weights
) -> tuple[Tensor, Tensor]:
    """do, as o, and dy (of x too) from dz; sets the weights' gradients.

    All tensors [P, N, D] are in the compute type. The gradient of the stream is one of them:
    autocast would keep it in fp32.
    """
    P, N, D = o.shape
    I, K = weights.gate.shape[-1], weights.heads.shape[-1]  # noqa: E741
    M = weights.gate.stride(0)
    s, da, db = (dz.new_empty((P, N, I)) for _ in range(3))
    _inner[(tiles(N, INNER.rows), P)](
        kept.h, dz, weights.gate, weights.value, weights.out, s, da, db, N, M, D=D, I=I,
        R=INNER.rows, BI=INNER.columns, **INNER.options,
    )  # fmt: skip
    product_into(gradients.out, s.mT, dz)
    product_into(gradients.gate, kept.h.mT, da)
    product_into(gradients.value, kept.h.mT, db)
    do, dy, scaled = torch.empty_like(o), torch.empty_like(dz), torch.empty_like(o)
    programs = tiles(N, OUTER.rows)
    partial_norm, partial_heads = (weights.norm.new_empty(P, programs, size) for size in (D, K))
    _outer[(programs, P)](
        o, kept.y, dz, da, db, weights.heads, weights.mix, weights.norm, weights.gate,
        weights.value, do, dy, scaled, partial_heads, partial_norm, N, M, D=D, H=D // K, I=I,
        EPS=eps, R=OUTER.rows, BI=OUTER.columns, **OUTER.options,
    )  # fmt: skip
    partial_sum(partial_norm, gradients.norm)
    partial_sum(partial_heads, gradients.heads)
    product_into(gradients.mix, scaled.mT, dy)
    return do, dy


def product_into(out: Tensor, left: Tensor, right: Tensor) -> None:
    """out = left right, in fp32 for bf16 factors; out may be a view of the flat buffer."""
    if left.dtype == out.dtype:
        torch.bmm(left, right, out=out)
    else:
        torch.bmm(left, right, out.dtype, out=out)
