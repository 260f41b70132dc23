"""SwiGLU in one pass: y = x + (silu(h A) * h B) C with h = RMSNorm(x), and its gradient.

The inner activations never reach memory in the forward pass; the backward pass computes them again
and writes once what the products of the weights' gradients read.
"""

# Triton gives the arguments of a kernel their types.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls

from dataclasses import dataclass

import torch
import triton.language as tl
from torch import Tensor

from archer.model.kernels.embed import NextNorm
from archer.model.kernels.tiles import (
    inverse_rms,
    jit,
    load_rows,
    load_vector,
    norm_vjp,
    partial_sum,
    store_norm,
    store_rows,
    tiles,
    wide,
)

ROWS, INNER, WARPS, STAGES = 128, 32, 8, 3
BACKWARD_ROWS, BACKWARD_INNER, BACKWARD_WARPS, BACKWARD_STAGES = 128, 32, 8, 2


@dataclass(frozen=True)
class Weights:
    """norm: [P, D] fp32; gate, value: [P, D, I], out: [P, I, D], in the compute type."""

    norm: Tensor
    gate: Tensor
    value: Tensor
    out: Tensor


@jit
def load_up(weight, at, D: tl.constexpr, I: tl.constexpr, BI: tl.constexpr):  # noqa: E741
    """Columns [D, BI] of a [D, I] weight, from `at` on."""
    columns = at + tl.arange(0, BI)
    offsets = tl.arange(0, D)[:, None] * I + columns[None, :]
    if I % BI == 0:
        return tl.load(weight + offsets)
    else:
        return tl.load(weight + offsets, mask=(columns < I)[None, :], other=0.0)


@jit
def load_down(weight, at, D: tl.constexpr, I: tl.constexpr, BI: tl.constexpr):  # noqa: E741
    """Rows [BI, D] of an [I, D] weight, from `at` on."""
    rows = at + tl.arange(0, BI)
    offsets = rows[:, None] * D + tl.arange(0, D)[None, :]
    if I % BI == 0:
        return tl.load(weight + offsets)
    else:
        return tl.load(weight + offsets, mask=(rows < I)[:, None], other=0.0)


@jit
def _forward(
    x, norm, gate, value, down, out, next_norm, maps, hidden, raw, N, M,
    D: tl.constexpr, I: tl.constexpr, NEXT: tl.constexpr,  # noqa: E741
    S: tl.constexpr, SB: tl.constexpr, EPS: tl.constexpr, R: tl.constexpr, BI: tl.constexpr,
):  # fmt: skip
    member = tl.program_id(1).to(tl.int64)
    rows = tl.program_id(0) * R + tl.arange(0, R)
    ok = rows < N
    low = gate.dtype.element_ty
    gate += member * M
    value += member * M
    down += member * M
    y = load_rows(x, member, rows, ok, N, D)
    h = (y * inverse_rms(y, D, EPS) * load_vector(norm, member, M, D)[None, :]).to(low)
    for at in range(0, I, BI):
        a = tl.dot(h, load_up(gate, at, D, I, BI), input_precision="ieee")
        b = tl.dot(h, load_up(value, at, D, I, BI), input_precision="ieee")
        s = (a * tl.sigmoid(a) * b).to(low)
        y = tl.dot(s, load_down(down, at, D, I, BI), acc=y, input_precision="ieee")
    store_rows(out, y, member, rows, ok, N, D)
    if NEXT:
        store_norm(y, next_norm, maps, hidden, raw, member, M, rows, ok, N, D, S, SB, EPS)


def mlp(x: Tensor, weights: Weights, following: NextNorm | None, eps: float) -> list[Tensor]:
    """x: [P, N, D] fp32 -> y, and if a norm follows its hidden [P, N, D] and raw signals."""
    P, N, D = x.shape
    y = torch.empty_like(x)
    given = following or NextNorm(weights.norm)
    hidden, raw = y, y
    if following is not None:
        hidden = x.new_empty((P, N, D), dtype=weights.gate.dtype)
        raw = x.new_empty((P, N, given.signals))
    maps = hidden if given.maps is None else given.maps
    _forward[(tiles(N, ROWS), P)](
        x, weights.norm, weights.gate, weights.value, weights.out, y, given.weight, maps, hidden,
        raw, N, weights.gate.stride(0), D=D, I=weights.gate.shape[-1],
        NEXT=following is not None, S=given.signals, SB=wide(given.signals), EPS=eps, R=ROWS,
        BI=INNER, num_warps=WARPS, num_stages=STAGES,
    )  # fmt: skip
    return [y, hidden, raw]


@jit
def store_inner(
    out, tile, member, rows, ok, at, N, I: tl.constexpr, BI: tl.constexpr,  # noqa: E741
):  # fmt: skip
    columns = at + tl.arange(0, BI)
    mask = ok[:, None] & (columns < I)[None, :]
    tl.store(out + member * N * I + rows[:, None] * I + columns[None, :], tile, mask=mask)


@jit
def _backward(
    x, dy, norm, gate, value, down, dx, h_out, g_out, s_out, da_out, db_out, partial, N, M,
    D: tl.constexpr, I: tl.constexpr, EPS: tl.constexpr, R: tl.constexpr, BI: tl.constexpr,  # noqa: E741
):  # fmt: skip
    member = tl.program_id(1).to(tl.int64)
    rows = tl.program_id(0) * R + tl.arange(0, R)
    ok = rows < N
    low = gate.dtype.element_ty
    gate += member * M
    value += member * M
    down += member * M
    w = load_vector(norm, member, M, D)
    before = load_rows(x, member, rows, ok, N, D)
    h = (before * inverse_rms(before, D, EPS) * w[None, :]).to(low)
    g = load_rows(dy, member, rows, ok, N, D).to(low)
    store_rows(h_out, h, member, rows, ok, N, D)
    store_rows(g_out, g, member, rows, ok, N, D)
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
    again = load_rows(x, member, rows, ok, N, D)
    inverse = inverse_rms(again, D, EPS)
    unit = again * inverse
    out = load_rows(dy, member, rows, ok, N, D) + norm_vjp(dh, unit, inverse, w, D)
    store_rows(dx, out, member, rows, ok, N, D)
    partial += (member * tl.num_programs(0) + tl.program_id(0)) * D
    tl.store(partial + tl.arange(0, D), tl.sum(dh * unit, 0))


def mlp_backward(x: Tensor, dy: Tensor, weights: Weights, eps: float, gradients: Weights) -> Tensor:
    """dx [P, N, D] from dy [P, N, D], both fp32; sets the weights' gradients, fp32."""
    P, N, D = x.shape
    I = weights.gate.shape[-1]  # noqa: E741
    dtype = weights.gate.dtype
    dx = torch.empty_like(x)
    h, g = (x.new_empty((P, N, D), dtype=dtype) for _ in range(2))
    s, da, db = (x.new_empty((P, N, I), dtype=dtype) for _ in range(3))
    programs = tiles(N, BACKWARD_ROWS)
    partial = x.new_empty(P, programs, D)
    _backward[(programs, P)](
        x, dy, weights.norm, weights.gate, weights.value, weights.out, dx, h, g, s, da, db,
        partial, N, weights.gate.stride(0), D=D, I=I, EPS=eps, R=BACKWARD_ROWS,
        BI=BACKWARD_INNER, num_warps=BACKWARD_WARPS, num_stages=BACKWARD_STAGES,
    )  # fmt: skip
    partial_sum(partial, gradients.norm)
    product_into(gradients.gate, h.mT, da)
    product_into(gradients.value, h.mT, db)
    product_into(gradients.out, s.mT, g)
    return dx


def product_into(out: Tensor, left: Tensor, right: Tensor) -> None:
    """out = left right, in fp32 for bf16 factors; out may be a view of the flat buffer."""
    if left.dtype == out.dtype:
        torch.bmm(left, right, out=out)
    else:
        torch.bmm(left, right, out.dtype, out=out)
