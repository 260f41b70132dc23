"""The auto-encoder's decoder: every position from the last one, through two maps with GELU.

x = z + place          h1 = RMSNorm(x)           u1 = h1 W1 + b1
h2 = RMSNorm(gelu(u1)) u2 = h2 W2 + b2           hidden = RMSNorm(gelu(u2))

Only u1, u2 and hidden reach memory. x is never written: z has one row a sequence.
"""

# Triton gives the arguments of a kernel their types.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls

from dataclasses import dataclass

import triton.language as tl
from torch import Tensor

from archer.model.kernels.mlp import load_square
from archer.model.kernels.tiles import (
    Tiling,
    inverse_rms,
    jit,
    load_vector,
    store_rows,
    tiles,
)

FORWARD = Tiling(128, 128, 8, 1, 128)
TILES = 4  # tiles of rows of a program, which keeps both maps in shared memory


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
def tails(u):
    """exp(-u^2 / 2) and the normal distribution's tail beyond |u|, to 1e-7.

    Abramowitz and Stegun, 26.2.17. `exp2` and `rsqrt` are one instruction each on a GPU, where
    `exp` is five and a quotient six.
    """
    d = 1.0 + 0.231641888 * tl.abs(u)
    t = tl.rsqrt(d * d)
    inner = t * (0.7107068705 + t * (-0.7265760135 + t * 0.5307027145))
    density = tl.exp2(u * u * -0.7213475204444817)
    return density, density * t * (0.127414796 + t * (-0.142248368 + inner))


@jit
def gelu(u, tail):
    return tl.maximum(u, 0.0) - tl.abs(u) * tail


@jit
def normed(x, norm, member, M, D: tl.constexpr, EPS: tl.constexpr):
    return x * inverse_rms(x, D, EPS) * load_vector(norm, member, M, D)[None, :]


@jit
def activated(u, bias, out, member, rows, ok, N, M, D: tl.constexpr):
    """Stores u + bias; its GELU, as read again."""
    u = (u + load_vector(bias, member, M, D)[None, :]).to(out.dtype.element_ty)
    store_rows(out, u, member, rows, ok, N, D)
    u = u.to(tl.float32)
    _, tail = tails(u)
    return gelu(u, tail)


@jit
def _forward(
    z, places, first_norm, first, first_bias, second_norm, second, second_bias, last_norm,
    u1_out, u2_out, hidden, N, M, S, D: tl.constexpr, EPS: tl.constexpr,
    TILES: tl.constexpr, R: tl.constexpr,
):  # fmt: skip
    member = tl.program_id(1).to(tl.int64)
    low = first.dtype.element_ty
    first_map = load_square(first + member * M, D)
    second_map = load_square(second + member * M, D)
    for tile in range(TILES):
        rows = (tl.program_id(0) * TILES + tile) * R + tl.arange(0, R)
        ok = rows < N
        x = load_placed(z, places, member, rows, ok, N, S, D)
        h = normed(x, first_norm, member, M, D, EPS).to(low)
        u = tl.dot(h, first_map, input_precision="ieee")
        x = activated(u, first_bias, u1_out, member, rows, ok, N, M, D)
        h = normed(x, second_norm, member, M, D, EPS).to(low)
        u = tl.dot(h, second_map, input_precision="ieee")
        x = activated(u, second_bias, u2_out, member, rows, ok, N, M, D)
        last = normed(x, last_norm, member, M, D, EPS)
        store_rows(hidden, last, member, rows, ok, N, D)


def decode(z: Tensor, places: Tensor, weights: Decoder, eps: float) -> tuple[Decoded, Tensor]:
    """z: [P, B, D] fp32, places: [S, D] -> what to keep, hidden [P, B S, D] for the logits."""
    (P, B, D), S = z.shape, len(places)
    N = B * S
    u1, u2, hidden = (z.new_empty((P, N, D), dtype=weights.first.dtype) for _ in range(3))
    _forward[(tiles(N, FORWARD.rows * TILES), P)](
        z, places, weights.first_norm, weights.first, weights.first_bias, weights.second_norm,
        weights.second, weights.second_bias, weights.last_norm, u1, u2, hidden, N,
        weights.first.stride(0), S, D=D, EPS=eps, TILES=TILES, R=FORWARD.rows,
        **FORWARD.options,
    )  # fmt: skip
    return Decoded(z, places, u1, u2), hidden
