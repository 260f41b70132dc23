"""Back through a linear map behind an RMSNorm: what q, k, v, signals and logits have in common."""

# Triton gives the arguments of a kernel their types.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls

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

BACKWARD = Tiling(64, 32, 4, 4)


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
    low = grad.dtype.element_ty
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
    out = norm_vjp(dh, unit, inverse, w_norm, D)
    if RESIDUAL:
        out += load_rows(residual, member, rows, ok, N, D).to(tl.float32)
    store_rows(dx, out, member, rows, ok, N, D)
    tl.store(partial_norm + program * D + i, tl.sum(dh * unit, 0))


def linear_backward(
    grad: Tensor,
    weight: Tensor,
    stream: Stream,
    norm: NextNorm,
    eps: float,
    dnorm: Tensor,
    *,
    draw: Tensor | None = None,
    residual: Tensor | None = None,
) -> tuple[Tensor, Tensor | None]:
    """dx [P, N, D] in the compute type, and the gradient [P, D, S] of the signal maps; sets dnorm.

    grad: [P, N, O] of h W, h = RMSNorm(stream); draw: [P, N, S] of h maps; residual: [P, N, D],
    added to dx.
    """
    P, N, O = grad.shape  # noqa: E741
    D, S = weight.shape[1], norm.signals
    dx = torch.empty(P, N, D, dtype=grad.dtype, device=grad.device)
    programs = tiles(N, BACKWARD.rows)
    partial_norm = stream.source.new_empty(P, programs, D)
    partial_maps = partial_norm.new_empty(P, programs, S, D) if S else partial_norm
    maps = dx if norm.maps is None else norm.maps
    _backward[(programs, P)](
        grad, weight, dx if draw is None else draw, maps, stream.source, stream.index,
        stream.step, norm.weight, dx if residual is None else residual, dx, partial_norm,
        partial_maps, N, weight.stride(0), D=D, O=O, S=S, EPS=eps,
        GATHER=stream.ids is not None, RESIDUAL=residual is not None, R=BACKWARD.rows,
        BO=min(BACKWARD.columns, wide(O)), **BACKWARD.options,
    )  # fmt: skip
    partial_sum(partial_norm, dnorm)
    return dx, partial_maps.sum(1).mT if S else None
