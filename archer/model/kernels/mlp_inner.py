"""Backward through SwiGLU's inner activations, its weights held still; see `mlp`.

A program owns some of the inner columns: its slices of the three weights stay in shared memory
while it walks over rows, so that memory sends it two tiles of rows a step and no weights.
"""

# Triton gives the arguments of a kernel their types.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls

import triton.language as tl
from torch import Tensor

from archer.model.kernels.mlp import Kept, Weights, load_down, load_up
from archer.model.kernels.tiles import (
    Tiling,
    jit,
    load_rows,
    load_vector,
    product_into,
    share,
    sigmoid,
    tiles,
)

INNER = Tiling(64, 128, 8, 3)
FULL = Tiling(64, 32, 4, 2)  # for fp32, whose tiles take twice the shared memory
SHARE = 2048  # rows a program walks over at most


@jit
def store_inner(
    out, tile, member, rows, ok, at, N, I: tl.constexpr, BI: tl.constexpr,  # noqa: E741
):  # fmt: skip
    """Columns [R, BI] of a [P, N, I] tensor, from `at` on."""
    columns = at + tl.arange(0, BI)
    mask = ok[:, None]
    if I % BI != 0:
        mask = mask & (columns < I)[None, :]
    at = rows[:, None] * I + columns[None, :]
    tl.store(out + member * N * I + at, tile.to(out.dtype.element_ty), mask=mask)


@jit
def _inner(
    unit, dz, norm, gate, value, down, s_out, da_out, db_out, N, M, share,
    D: tl.constexpr, I: tl.constexpr,  # noqa: E741
    STAGES: tl.constexpr, R: tl.constexpr, BI: tl.constexpr,
):  # fmt: skip
    # Programs of the same rows run side by side: memory is read once, the rest is L2's.
    at = tl.program_id(0) * BI
    member = tl.program_id(2).to(tl.int64)
    low = gate.dtype.element_ty
    weight = load_vector(norm, member, M, D)[:, None]
    gate_slice = (weight * load_up(gate + member * M, at, D, I, BI).to(tl.float32)).to(low)
    value_slice = (weight * load_up(value + member * M, at, D, I, BI).to(tl.float32)).to(low)
    down_slice = load_down(down + member * M, at, D, I, BI)
    first = tl.program_id(1) * share
    for start in tl.range(first, min(first + share, N), R, num_stages=STAGES):
        rows = start + tl.arange(0, R)
        ok = rows < N
        x = load_rows(unit, member, rows, ok, N, D)
        g = load_rows(dz, member, rows, ok, N, D)
        a = tl.dot(x, gate_slice, input_precision="ieee")
        b = tl.dot(x, value_slice, input_precision="ieee")
        ds = tl.dot(g, tl.trans(down_slice), input_precision="ieee")
        sigma = sigmoid(a)
        silu = a * sigma
        s = (silu * b).to(low)
        da = (ds * b * (sigma + silu * (1.0 - sigma))).to(low)
        db = (ds * silu).to(low)
        store_inner(s_out, s, member, rows, ok, at, N, I, BI)
        store_inner(da_out, da, member, rows, ok, at, N, I, BI)
        store_inner(db_out, db, member, rows, ok, at, N, I, BI)


@jit
def _finish_up(
    norm, gate, value, dnorm, dgate, dvalue, M, L,
    I: tl.constexpr, R: tl.constexpr, BI: tl.constexpr,  # noqa: E741
):  # fmt: skip
    member = tl.program_id(1).to(tl.int64)
    rows = tl.program_id(0) * R + tl.arange(0, R)
    weight = tl.load(norm + member * M + rows)[:, None]
    along = tl.zeros((R,), dtype=tl.float32)
    for at in range(0, I, BI):
        columns = at + tl.arange(0, BI)
        offsets = rows[:, None] * I + columns[None, :]
        mask = (columns < I)[None, :]
        a = tl.load(dgate + member * L + offsets, mask=mask, other=0.0)
        b = tl.load(dvalue + member * L + offsets, mask=mask, other=0.0)
        up_a = tl.load(gate + member * M + offsets, mask=mask, other=0.0).to(tl.float32)
        up_b = tl.load(value + member * M + offsets, mask=mask, other=0.0).to(tl.float32)
        along += tl.sum(up_a * a + up_b * b, 1)
        tl.store(dgate + member * L + offsets, weight * a, mask=mask)
        tl.store(dvalue + member * L + offsets, weight * b, mask=mask)
    tl.store(dnorm + member * L + rows, along)


def finish_up(weights: Weights, gradients: Weights) -> None:
    """Sets the gradients of the norm and of what reads it, from its unit rows' products.

    The two gradients hold unit^T da and unit^T db, as if the norm had no weight.
    """
    P, D, I = weights.gate.shape  # noqa: E741
    rows = min(16, D)
    _finish_up[(D // rows, P)](
        weights.norm, weights.gate, weights.value, gradients.norm, gradients.gate,
        gradients.value, weights.gate.stride(0), gradients.gate.stride(0), I=I, R=rows, BI=128,
        num_warps=4,
    )  # fmt: skip


def inner_backward(kept: Kept, dz: Tensor, weights: Weights, gradients: Weights) -> Tensor:
    """Gradients of the two inner products, [2, P, N, I]; sets those of the norm and weights."""
    P, N, D = dz.shape
    I = weights.gate.shape[-1]  # noqa: E741
    dab = dz.new_empty((2, P, N, I))
    da, db = dab.unbind()
    s = dz.new_empty((P, N, I))
    tiling = FULL if dz.element_size() == 4 else INNER
    slices = tiles(I, tiling.columns)
    rows = share(N, SHARE, slices * P)
    _inner[(slices, tiles(N, rows), P)](
        kept.unit, dz, weights.norm, weights.gate, weights.value, weights.out, s, da, db, N,
        weights.gate.stride(0), rows, D=D, I=I, STAGES=tiling.stages, R=tiling.rows,
        BI=tiling.columns, **tiling.options,
    )  # fmt: skip
    product_into(gradients.out, s.mT, dz)
    product_into(gradients.gate, kept.unit.mT, da)
    product_into(gradients.value, kept.unit.mT, db)
    finish_up(weights, gradients)
    return dab
