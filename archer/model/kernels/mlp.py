"""The second half of a block in one pass: the mixer's way back into the stream, then SwiGLU.

y = x + RMSNorm_per_head(o) W
z = y + (silu(h A) * h B) C with h = RMSNorm(y)

The inner activations never reach memory here; the backward pass computes them again.
"""

# Triton gives the arguments of a kernel their types.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls

from dataclasses import dataclass

import torch
import triton.language as tl
from torch import Tensor

from archer.model.kernels.embed import NextNorm, Stream
from archer.model.kernels.heads import heads_norm
from archer.model.kernels.tiles import (
    Tiling,
    inverse_rms,
    jit,
    load_rows,
    load_stream,
    load_vector,
    sigmoid,
    store_norm,
    store_rows,
    tiles,
)

FORWARD = Tiling(64, 32, 4, 3)


@dataclass(frozen=True)
class Weights:
    """The parameters of the half, or their gradients.

    heads: [P, K] and norm: [P, D] fp32; mix: [P, D, D], gate, value: [P, D, I], out: [P, I, D], in
    the compute type (gradients: fp32).
    """

    heads: Tensor
    mix: Tensor
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
def load_square(weight, D: tl.constexpr):
    """A weight [D, D]."""
    i = tl.arange(0, D)
    return tl.load(weight + i[:, None] * D + i[None, :])


@jit
def _forward(
    o, source, ids, step, heads, mix, norm, gate, value, down, unit_out,
    inverse_out, out, next_norm, maps, hidden, raw, N, M,
    D: tl.constexpr, H: tl.constexpr, I: tl.constexpr, GATHER: tl.constexpr,  # noqa: E741
    KEEP: tl.constexpr, NEXT: tl.constexpr, S: tl.constexpr, EPS: tl.constexpr,
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
    # All three are read before any is used: they arrive together.
    read = load_rows(o, member, rows, ok, N, D).to(tl.float32)
    y = load_stream(source, ids, member, step, rows, ok, N, D, GATHER)
    square = load_square(mix, D)
    scaled = heads_norm(read, heads, member, M, H, D // H, EPS)
    y = tl.dot(scaled.to(low), square, acc=y, input_precision="ieee")
    inverse = inverse_rms(y, D, EPS)
    unit = y * inverse
    if KEEP:
        tl.store(inverse_out + member * N + rows[:, None], inverse, mask=ok[:, None])
        store_rows(unit_out, unit, member, rows, ok, N, D)
    h = (unit * load_vector(norm, member, M, D)[None, :]).to(low)
    for at in range(0, I, BI):
        a = tl.dot(h, load_up(gate, at, D, I, BI), input_precision="ieee")
        b = tl.dot(h, load_up(value, at, D, I, BI), input_precision="ieee")
        s = (a * sigmoid(a) * b).to(low)
        y = tl.dot(s, load_down(down, at, D, I, BI), acc=y, input_precision="ieee")
    store_rows(out, y, member, rows, ok, N, D)
    if NEXT:
        store_norm(y, next_norm, maps, hidden, raw, member, M, rows, ok, N, D, S, EPS)


@dataclass(frozen=True)
class Kept:
    """What the backward pass reads: the stream between over its root mean square, one over that.

    unit: [P, N, D] in the compute type, which only gradients see; inverse: [P, N] fp32. The norm's
    weight is taken into the weights behind it there, so that its gradient needs no sum over rows.
    """

    unit: Tensor
    inverse: Tensor


def mlp(
    o: Tensor,
    stream: Stream,
    weights: Weights,
    following: NextNorm | None,
    eps: float,
    keep: bool = True,
) -> tuple[Kept, Tensor, Tensor, Tensor]:
    """o: [P, N, D] -> what to keep, z [P, N, D] fp32, hidden and raw signals of a norm behind it.

    stream: x. hidden: [P, N, D] in the compute type; raw: [P, N, S]. Without a norm or with
    nothing to keep the respective tensors are z.
    """
    P, N, D = o.shape
    z = torch.empty(o.shape, dtype=torch.float32, device=o.device)
    dtype = weights.gate.dtype
    kept = Kept(z.new_empty(z.shape, dtype=dtype), z.new_empty((P, N))) if keep else Kept(z, z)
    given = following or NextNorm(weights.norm)
    hidden, raw = z, z
    if following is not None:
        hidden = z.new_empty(z.shape, dtype=dtype)
        raw = z.new_empty((P, N, given.signals))
    maps = hidden if given.maps is None else given.maps
    _forward[(tiles(N, FORWARD.rows), P)](
        o, stream.source, stream.index, stream.step, weights.heads, weights.mix, weights.norm,
        weights.gate, weights.value, weights.out, kept.unit, kept.inverse, z, given.weight,
        maps, hidden, raw, N, weights.gate.stride(0), D=D, H=D // weights.heads.shape[-1],
        I=weights.gate.shape[-1], GATHER=stream.ids is not None, KEEP=keep,
        NEXT=following is not None, S=given.signals, EPS=eps, R=FORWARD.rows,
        BI=FORWARD.columns, **FORWARD.options,
    )  # fmt: skip
    return kept, z, hidden, raw
