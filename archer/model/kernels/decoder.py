"""The auto-encoder's decoder: every position from the last one, through two maps with GELU.

x = z + place          h1 = RMSNorm(x)           u1 = h1 W1 + b1
h2 = RMSNorm(gelu(u1)) u2 = h2 W2 + b2           hidden = RMSNorm(gelu(u2))

Only u1, u2 and hidden reach memory. x is never written: z has one row a sequence.
"""

# Triton gives the arguments of a kernel their types.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls

from dataclasses import dataclass

import torch
import triton.language as tl
from torch import Tensor

from archer.model.kernels.mlp import load_square
from archer.model.kernels.mlp_backward import product_into
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
    wide,
)

FORWARD = Tiling(64, 128, 4, 1)
BACKWARD = Tiling(64, 32, 8, 3)


@dataclass(frozen=True)
class Decoder:
    """The decoder's parameters and the norm behind it, or their gradients.

    first and second: [P, D, D] in the compute type (gradients: fp32); all others [P, D] fp32.
    """

    first_norm: Tensor
    first: Tensor
    first_bias: Tensor
    second_norm: Tensor
    second: Tensor
    second_bias: Tensor
    last_norm: Tensor


@dataclass(frozen=True)
class Decoded:
    """What the backward pass reads.

    z: [P, B, D] fp32, places: [S, D] fp32; u1, u2: [P, B S, D] in the compute type.
    """

    z: Tensor
    places: Tensor
    u1: Tensor
    u2: Tensor


@jit
def load_placed(z, places, member, rows, ok, N, S, D: tl.constexpr):
    """Rows z_b + place_s, [R, D], of B sequences at S places."""
    i = tl.arange(0, D)[None, :]
    sequence = member * (N // S) + rows // S
    x = tl.load(z + sequence[:, None] * D + i, mask=ok[:, None], other=0.0)
    return x + tl.load(places + (rows % S)[:, None] * D + i, mask=ok[:, None], other=0.0)


@jit
def gelu(u):
    return 0.5 * u * (1.0 + tl.erf(u * 0.7071067811865476))


@jit
def gelu_slope(u):
    density = 0.3989422804014327 * tl.exp(-0.5 * u * u)
    return 0.5 * (1.0 + tl.erf(u * 0.7071067811865476)) + u * density


@jit
def normed(x, norm, member, M, D: tl.constexpr, EPS: tl.constexpr):
    return x * inverse_rms(x, D, EPS) * load_vector(norm, member, M, D)[None, :]


@jit
def _forward(
    z, places, first_norm, first, first_bias, second_norm, second, second_bias, last_norm,
    u1_out, u2_out, hidden, N, M, S, D: tl.constexpr, EPS: tl.constexpr, R: tl.constexpr,
):  # fmt: skip
    member = tl.program_id(1).to(tl.int64)
    rows = tl.program_id(0) * R + tl.arange(0, R)
    ok = rows < N
    low = first.dtype.element_ty
    x = load_placed(z, places, member, rows, ok, N, S, D)
    h = normed(x, first_norm, member, M, D, EPS).to(low)
    u = tl.dot(h, load_square(first + member * M, D), input_precision="ieee")
    u = (u + load_vector(first_bias, member, M, D)[None, :]).to(low)
    store_rows(u1_out, u, member, rows, ok, N, D)
    h = normed(gelu(u.to(tl.float32)), second_norm, member, M, D, EPS).to(low)
    u = tl.dot(h, load_square(second + member * M, D), input_precision="ieee")
    u = (u + load_vector(second_bias, member, M, D)[None, :]).to(low)
    store_rows(u2_out, u, member, rows, ok, N, D)
    last = normed(gelu(u.to(tl.float32)), last_norm, member, M, D, EPS)
    store_rows(hidden, last, member, rows, ok, N, D)


def decode(z: Tensor, places: Tensor, weights: Decoder, eps: float) -> tuple[Decoded, Tensor]:
    """z: [P, B, D] fp32, places: [S, D] -> what to keep, hidden [P, B S, D] for the logits."""
    (P, B, D), S = z.shape, len(places)
    N = B * S
    u1, u2, hidden = (z.new_empty((P, N, D), dtype=weights.first.dtype) for _ in range(3))
    _forward[(tiles(N, FORWARD.rows), P)](
        z, places, weights.first_norm, weights.first, weights.first_bias, weights.second_norm,
        weights.second, weights.second_bias, weights.last_norm, u1, u2, hidden, N,
        weights.first.stride(0), S, D=D, EPS=eps, R=FORWARD.rows, **FORWARD.options,
    )  # fmt: skip
    return Decoded(z, places, u1, u2), hidden


@jit
def _backward(
    grad, weight, u, z, places, norm, out, h_out, partial_norm, partial_bias, N, M, S,
    D: tl.constexpr, O: tl.constexpr, GELU: tl.constexpr, EPS: tl.constexpr,  # noqa: E741
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
        inside = (columns < O)[None, :]
        g = tl.load(
            grad + member * N * O + rows[:, None] * O + columns[None, :],
            mask=ok[:, None] & inside,
            other=0.0,
        )
        w = tl.load(weight + member * M + i[:, None] * O + columns[None, :], mask=inside, other=0.0)
        dh = tl.dot(g, tl.trans(w), acc=dh, input_precision="ieee")
    if GELU:
        x = gelu(load_rows(u, member, rows, ok, N, D).to(tl.float32))
    else:
        x = load_placed(z, places, member, rows, ok, N, S, D)
    w_norm = load_vector(norm, member, M, D)
    inverse = inverse_rms(x, D, EPS)
    unit = x * inverse
    store_rows(h_out, unit * w_norm[None, :], member, rows, ok, N, D)
    tl.store(partial_norm + program * D + i, tl.sum(dh * unit, 0))
    dx = norm_vjp(dh, unit, inverse, w_norm, D)
    if GELU:
        # read again: keeping it would spill
        dx *= gelu_slope(load_rows(u, member, rows, ok, N, D).to(tl.float32))
        tl.store(partial_bias + program * D + i, tl.sum(dx, 0))
    store_rows(out, dx, member, rows, ok, N, D)


def _back(
    kept: Decoded,
    grad: Tensor,
    weight: Tensor,
    u: Tensor | None,
    norm: Tensor,
    eps: float,
    sums: tuple[Tensor, ...],
) -> tuple[Tensor, Tensor]:
    """Back through one map and the norm before it, to the GELU's argument or the sum there.

    grad: [P, N, O] of h W -> that of u (of x without u), and h; sets the sums, which are the
    gradients of the norm and, with u, of the bias added to it.
    """
    (P, N, O), D = grad.shape, weight.shape[1]  # noqa: E741
    out, h = kept.u1.new_empty((P, N, D)), kept.u1.new_empty((P, N, D))
    programs = tiles(N, BACKWARD.rows)
    partial = [kept.z.new_empty((P, programs, D)) for _ in sums]
    _backward[(programs, P)](
        grad, weight, h if u is None else u, kept.z, kept.places, norm, out, h, partial[0],
        partial[-1], N, weight.stride(0), len(kept.places), D=D, O=O, GELU=u is not None, EPS=eps,
        R=BACKWARD.rows, BO=min(BACKWARD.columns, wide(O)), **BACKWARD.options,
    )  # fmt: skip
    for part, total in zip(partial, sums, strict=True):
        partial_sum(part, total)
    return out, h


def decode_backward(
    dlogits: Tensor, unembed: Tensor, kept: Decoded, weights: Decoder, eps: float, into: Decoder
) -> Tensor:
    """dz [P, B, D] fp32 from the logits' gradient [P, B S, V]; sets the decoder's gradients."""
    sums = into.last_norm, into.second_bias
    du2, _ = _back(kept, dlogits, unembed, kept.u2, weights.last_norm, eps, sums)
    sums = into.second_norm, into.first_bias
    du1, h2 = _back(kept, du2, weights.second, kept.u1, weights.second_norm, eps, sums)
    product_into(into.second, h2.mT, du2)
    dx, h1 = _back(kept, du1, weights.first, None, weights.first_norm, eps, (into.first_norm,))
    product_into(into.first, h1.mT, du1)
    (P, _, D), S = dx.shape, len(kept.places)
    return dx.view(P, -1, S, D).sum(2, dtype=torch.float32)
