"""Back through a linear map behind an RMSNorm: what q, k, v, signals and logits have in common."""

# Triton gives the arguments of a kernel their types.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls

from collections.abc import Sequence

import torch
import triton.language as tl
from torch import Tensor

from archer.model.kernels.embed import NextNorm, Stream
from archer.model.kernels.tiles import (
    Tiling,
    inverse_rms,
    jit,
    load_rows,
    load_signal,
    load_stream,
    load_vector,
    norm_vjp,
    partial_sum,
    store_rows,
    tiles,
    wide,
)

BACKWARD = Tiling(64, 32, 4, 3)
ROWS = Tiling(32, 0, 4, 1)  # columns: all
WIDE = 3  # outputs per input from which on the product is cuBLAS's and `_rows` does the rest


@jit
def back(
    draw, maps, source, ids, step, norm, residual, dx, partial_norm, partial_maps,
    member, program, rows, ok, N, M, D: tl.constexpr, S: tl.constexpr, EPS: tl.constexpr,
    GATHER: tl.constexpr, RESIDUAL: tl.constexpr,
):  # fmt: skip
    """At dx: from the product's part of h's gradient to the stream's; stores the partial sums."""
    dh = load_rows(dx, member, rows, ok, N, D).to(tl.float32)
    tl.debug_barrier()  # every lane has read before one writes there
    low = dx.dtype.element_ty
    i = tl.arange(0, D)
    if RESIDUAL:
        more = load_rows(residual, member, rows, ok, N, D)  # here: under way with the rest
    x = load_stream(source, ids, member, step, rows, ok, N, D, GATHER)
    inverse = inverse_rms(x, D, EPS)
    unit = x * inverse
    w_norm = load_vector(norm, member, M, D)
    h = (unit * w_norm[None, :]).to(low).to(tl.float32)
    for s in tl.static_range(S):
        ds = tl.load(draw + (member * N + rows) * S + s, mask=ok, other=0.0)
        ds = ds.to(low).to(tl.float32)[:, None]
        dh += ds * load_signal(maps, member, s, D, S)[None, :]
        tl.store(partial_maps + (program * S + s) * D + i, tl.sum(h * ds, 0))
    tl.store(partial_norm + program * D + i, tl.sum(dh * unit, 0))
    out = norm_vjp(dh, unit, inverse, w_norm, D)
    if RESIDUAL:
        out += more.to(tl.float32)
    store_rows(dx, out, member, rows, ok, N, D)


@jit
def _backward(
    grad, weight, draw, maps, source, ids, step, norm, residual, dx, partial_norm, partial_maps,
    N, M, D: tl.constexpr, O: tl.constexpr, S: tl.constexpr,  # noqa: E741
    EPS: tl.constexpr, GATHER: tl.constexpr, RESIDUAL: tl.constexpr,
    R: tl.constexpr, BO: tl.constexpr,
):  # fmt: skip
    member = tl.program_id(1).to(tl.int64)
    rows = tl.program_id(0) * R + tl.arange(0, R)
    ok = rows < N
    program = member * tl.num_programs(0) + tl.program_id(0)
    i = tl.arange(0, D)
    dh = tl.zeros((R, D), dtype=tl.float32)
    for at in range(0, O, BO):
        columns = at + tl.arange(0, BO)
        inside = columns < O
        g = tl.load(
            grad + member * N * O + rows[:, None] * O + columns[None, :],
            mask=ok[:, None] & inside[None, :],
            other=0.0,
        )
        w = tl.load(
            weight + member * M + i[:, None] * O + columns[None, :],
            mask=inside[None, :],
            other=0.0,
        )
        dh = tl.dot(g, tl.trans(w), acc=dh, input_precision="ieee")
    # through dx's place in the L2 cache: everything after has the layout of loads and stores
    store_rows(dx, dh, member, rows, ok, N, D)
    tl.debug_barrier()
    back(
        draw, maps, source, ids, step, norm, residual, dx, partial_norm, partial_maps,
        member, program, rows, ok, N, M, D, S, EPS, GATHER, RESIDUAL,
    )  # fmt: skip


@jit
def _rows(
    draw, maps, source, ids, step, norm, residual, dx, partial_norm, partial_maps, N, M,
    D: tl.constexpr, S: tl.constexpr, EPS: tl.constexpr, GATHER: tl.constexpr,
    RESIDUAL: tl.constexpr, R: tl.constexpr,
):  # fmt: skip
    member = tl.program_id(1).to(tl.int64)
    rows = tl.program_id(0) * R + tl.arange(0, R)
    ok = rows < N
    program = member * tl.num_programs(0) + tl.program_id(0)
    back(
        draw, maps, source, ids, step, norm, residual, dx, partial_norm, partial_maps,
        member, program, rows, ok, N, M, D, S, EPS, GATHER, RESIDUAL,
    )  # fmt: skip


def linear_backward(
    grad: Tensor,
    weight: Tensor,
    stream: Stream,
    norm: NextNorm,
    eps: float,
    dnorm: Tensor,
    *,
    draw: Tensor | None = None,
    dmaps: Sequence[Tensor] = (),
    residual: Tensor | None = None,
) -> Tensor:
    """dx [P, N, D] in the compute type; sets dnorm [P, D] and the signal maps' gradients.

    grad: [P, N, O] of h W, h = RMSNorm(stream); draw: [P, N, S] of h maps; dmaps: parts of those'
    gradient, [P, D, S] if side by side; residual: [P, N, D], added to dx.
    """
    P, N, O = grad.shape  # noqa: E741
    D, S = weight.shape[1], norm.signals
    by_rows = O >= WIDE * D
    tiling = ROWS if by_rows else BACKWARD
    dx = torch.bmm(grad, weight.mT) if by_rows else grad.new_empty((P, N, D))
    programs = tiles(N, tiling.rows)
    partial_norm = stream.source.new_empty(P, programs, D)
    partial_maps = partial_norm.new_empty(P, programs, S, D) if S else partial_norm
    rest = (
        dx if draw is None else draw, dx if norm.maps is None else norm.maps, stream.source,
        stream.index, stream.step, norm.weight, dx if residual is None else residual, dx,
        partial_norm, partial_maps, N, weight.stride(0), D,
    )  # fmt: skip
    flags = {
        "S": S, "EPS": eps, "GATHER": stream.ids is not None, "RESIDUAL": residual is not None,
        "R": tiling.rows, **tiling.options,
    }  # fmt: skip
    if by_rows:
        _rows[(programs, P)](*rest, **flags)
    else:
        columns = min(tiling.columns, wide(O))
        _backward[(programs, P)](grad, weight, *rest, O=O, BO=columns, **flags)
    partial_sum(partial_norm, dnorm)
    parts = torch.split(partial_maps, [part.shape[-1] for part in dmaps], 2) if S else ()
    for partial, part in zip(parts, dmaps, strict=True):
        partial_sum(partial, part.mT)
    return dx
