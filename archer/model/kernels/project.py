"""The mixer's way back into the stream: y = x + RMSNorm_per_head(o) W, and its gradient."""

# Triton gives the arguments of a kernel their types.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls

import torch
import triton.language as tl
from torch import Tensor

from archer.model.kernels.embed import Stream
from archer.model.kernels.tiles import (
    jit,
    load_rows,
    load_stream,
    load_vector,
    partial_sum,
    store_rows,
    tiles,
)

ROWS, WARPS = 128, 8
# rows of a tile, tiles of a program
BACKWARD_ROWS, BACKWARD_TILES, BACKWARD_WARPS, BACKWARD_STAGES = 64, 8, 8, 2


@jit
def heads_norm(o, norm, member, M, H: tl.constexpr, K: tl.constexpr, EPS: tl.constexpr):
    """Each head's RMSNorm of o [R, H K]: unit rows, what they were divided by, the result."""
    w = load_vector(norm, member, M, K)
    if H == 1:
        inverse = (1.0 / tl.sqrt_rn(tl.sum(o * o, 1) / K + EPS))[:, None]
        unit = o * inverse
        return unit, inverse, unit * w[None, :]
    else:
        R: tl.constexpr = o.shape[0]
        split = tl.reshape(o, (R, H, K))
        inverse = (1.0 / tl.sqrt_rn(tl.sum(split * split, 2) / K + EPS))[:, :, None]
        unit = split * inverse
        scaled = tl.reshape(unit * w[None, None, :], (R, H * K))
        return tl.reshape(unit, (R, H * K)), inverse, scaled


@jit
def heads_norm_vjp(g, unit, inverse, norm, member, M, H: tl.constexpr, K: tl.constexpr):
    """Gradients of o [R, H K] and of the weight, [K], summed over the tile."""
    w = load_vector(norm, member, M, K)
    if H == 1:
        along = g * w[None, :]
        do = inverse * (along - unit * (tl.sum(along * unit, 1) / K)[:, None])
        return do, tl.sum(g * unit, 0)
    else:
        R: tl.constexpr = g.shape[0]
        g3, unit3 = tl.reshape(g, (R, H, K)), tl.reshape(unit, (R, H, K))
        along = g3 * w[None, None, :]
        do = inverse * (along - unit3 * (tl.sum(along * unit3, 2) / K)[:, :, None])
        return tl.reshape(do, (R, H * K)), tl.sum(tl.sum(g3 * unit3, 1), 0)


@jit
def _forward(
    o, source, ids, step, norm, weight, out, N, M,
    D: tl.constexpr, H: tl.constexpr, EPS: tl.constexpr, GATHER: tl.constexpr, R: tl.constexpr,
):  # fmt: skip
    member = tl.program_id(1).to(tl.int64)
    rows = tl.program_id(0) * R + tl.arange(0, R)
    ok = rows < N
    low = weight.dtype.element_ty
    read = load_rows(o, member, rows, ok, N, D).to(tl.float32)
    _, _, scaled = heads_norm(read, norm, member, M, H, D // H, EPS)
    i = tl.arange(0, D)
    w = tl.load(weight + member * M + i[:, None] * D + i[None, :])
    y = load_stream(source, ids, member, step, rows, ok, N, D, GATHER)
    y += tl.dot(scaled.to(low), w, input_precision="ieee")
    store_rows(out, y, member, rows, ok, N, D)


def project(o: Tensor, stream: Stream, norm: Tensor, weight: Tensor, eps: float) -> Tensor:
    """o: [P, N, D]; norm: [P, K] fp32; weight: [P, D, D] in the compute type -> [P, N, D] fp32."""
    P, N, D = o.shape
    out = torch.empty(o.shape, dtype=torch.float32, device=o.device)
    _forward[(tiles(N, ROWS), P)](
        o, stream.source, stream.index, stream.step, norm, weight, out, N, weight.stride(0),
        D=D, H=D // norm.shape[-1], EPS=eps, GATHER=stream.ids is not None, R=ROWS,
        num_warps=WARPS,
    )  # fmt: skip
    return out


@jit
def _backward(
    o, dy, norm, weight, do, partial_weight, partial_norm, N, M, TILES,
    D: tl.constexpr, H: tl.constexpr, EPS: tl.constexpr, R: tl.constexpr,
):  # fmt: skip
    member = tl.program_id(1).to(tl.int64)
    low = weight.dtype.element_ty
    i = tl.arange(0, D)
    w = tl.load(weight + member * M + i[:, None] * D + i[None, :])
    dweight = tl.zeros((D, D), dtype=tl.float32)
    dnorm = tl.zeros((D // H,), dtype=tl.float32)
    for tile in range(0, TILES):
        rows = (tl.program_id(0) * TILES + tile) * R + tl.arange(0, R)
        ok = rows < N
        read = load_rows(o, member, rows, ok, N, D).to(tl.float32)
        g = load_rows(dy, member, rows, ok, N, D).to(low)
        unit, inverse, scaled = heads_norm(read, norm, member, M, H, D // H, EPS)
        dweight += tl.dot(tl.trans(scaled.to(low)), g, input_precision="ieee")
        dscaled = tl.dot(g, tl.trans(w), input_precision="ieee")
        back, dn = heads_norm_vjp(dscaled, unit, inverse, norm, member, M, H, D // H)
        dnorm += dn
        store_rows(do, back, member, rows, ok, N, D)
    program = member * tl.num_programs(0) + tl.program_id(0)
    tl.store(partial_weight + program * D * D + i[:, None] * D + i[None, :], dweight)
    K: tl.constexpr = D // H
    tl.store(partial_norm + program * K + tl.arange(0, K), dnorm)


def project_backward(
    o: Tensor, dy: Tensor, norm: Tensor, weight: Tensor, eps: float, dnorm: Tensor, dweight: Tensor
) -> Tensor:
    """do, as o, from dy [P, N, D] fp32 (which is the stream's gradient too); sets the other two."""
    P, N, D = o.shape
    K = norm.shape[-1]
    do = torch.empty_like(o)
    count = min(BACKWARD_TILES, tiles(N, BACKWARD_ROWS))
    programs = tiles(N, BACKWARD_ROWS * count)
    partial_weight = torch.empty(P, programs, D, D, device=o.device)
    partial_norm = torch.empty(P, programs, K, device=o.device)
    _backward[(programs, P)](
        o, dy, norm, weight, do, partial_weight, partial_norm, N, weight.stride(0), count,
        D=D, H=D // K, EPS=eps, R=BACKWARD_ROWS, num_warps=BACKWARD_WARPS,
        num_stages=BACKWARD_STAGES,
    )  # fmt: skip
    partial_sum(partial_weight, dweight)
    partial_sum(partial_norm, dnorm)
    return do
