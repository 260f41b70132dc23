"""Backward through the auto-encoder's decoder; see `decoder`.

A product's result is stored where its gradient will stand and read again out of the L2 cache: in
the layout of the product all that follows would be converted, tile by tile, between barriers.
"""

# Triton gives the arguments of a kernel their types.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls

import math

import torch
import triton.language as tl
from torch import Tensor

from archer.model.kernels.decoder import Decoded, Decoder, gelu, load_placed, tails
from archer.model.kernels.tiles import (
    Tiling,
    inverse_rms,
    jit,
    load_rows,
    load_vector,
    norm_vjp,
    partial_sum,
    product_into,
    store_rows,
    tiles,
    wide,
)

BACKWARD = Tiling(32, 128, 4, 1, 168)  # columns: of the logits
TILES = 4  # tiles of rows of a program, which keeps both maps in shared memory


@jit
def gelu_slope(u, density, tail):
    return tl.where(u > 0.0, 1.0 - tail, tail) + 0.3989422804014327 * u * density


@jit
def stage(value, place, member, rows, ok, N, D: tl.constexpr):
    """Stores a product at `place`, for all lanes to read."""
    store_rows(place, value, member, rows, ok, N, D)
    tl.debug_barrier()


@jit
def through_norm(dh, x, inverse, norm, sums, member, M, D: tl.constexpr):
    """The gradient of x from that of h = RMSNorm(x); stores the norm's part."""
    dh = dh.to(tl.float32)
    unit = x * inverse
    tl.store(sums + tl.arange(0, D), tl.sum(dh * unit, 0))
    return norm_vjp(dh, unit, inverse, load_vector(norm, member, M, D), D)


@jit
def through_gelu(
    u, norm, place, h_out, sums, member, rows, ok, N, M,
    D: tl.constexpr, KEEP: tl.constexpr, EPS: tl.constexpr,
):  # fmt: skip
    """At `place`: from the gradient of h = RMSNorm(gelu(u)) to that of u; stores h and the sums."""
    dh = load_rows(place, member, rows, ok, N, D)
    tl.debug_barrier()  # every lane has read before one writes there
    u = load_rows(u, member, rows, ok, N, D).to(tl.float32)
    density, tail = tails(u)
    slope = gelu_slope(u, density, tail)
    x = gelu(u, tail)
    inverse = inverse_rms(x, D, EPS)
    if KEEP:
        h = x * inverse * load_vector(norm, member, M, D)[None, :]
        store_rows(h_out, h, member, rows, ok, N, D)
    du = through_norm(dh, x, inverse, norm, sums, member, M, D)
    du *= slope
    tl.store(sums + D + tl.arange(0, D), tl.sum(du, 0))
    store_rows(place, du, member, rows, ok, N, D)
    tl.debug_barrier()


@jit
def through_places(
    z, places, norm, place, dz, sums, member, tile, rows, ok, N, M, S,
    D: tl.constexpr, EPS: tl.constexpr, GROUP: tl.constexpr, R: tl.constexpr,
):  # fmt: skip
    """At `place`: from the gradient of h = RMSNorm(z + place) to h; stores sums of dx for dz."""
    dh = load_rows(place, member, rows, ok, N, D)
    tl.debug_barrier()
    x = load_placed(z, places, member, rows, ok, N, S, D)
    inverse = inverse_rms(x, D, EPS)
    dx = through_norm(dh, x, inverse, norm, sums, member, M, D)
    h = x * inverse * load_vector(norm, member, M, D)[None, :]
    store_rows(place, h, member, rows, ok, N, D)
    dx = tl.sum(tl.reshape(dx, (R // GROUP, GROUP, D)), 1)
    groups = tile * (R // GROUP) + tl.arange(0, R // GROUP)
    store_rows(dz, dx, member, groups, groups < N // GROUP, N // GROUP, D)


@jit
def load_transposed(weight, D: tl.constexpr):
    """The transpose of a weight [D, D], as it is loaded: see docs/kernels.md for `tl.trans`."""
    i = tl.arange(0, D)
    return tl.load(weight + i[None, :] * D + i[:, None])


@jit
def product(
    grad, weight, member, rows, ok, N, M,
    R: tl.constexpr, D: tl.constexpr, V: tl.constexpr, BV: tl.constexpr,
):  # fmt: skip
    """grad [R, V] times the transpose of a weight [D, V]."""
    dh = tl.zeros((R, D), dtype=tl.float32)
    for at in range(0, V, BV):
        columns = at + tl.arange(0, BV)
        inside = (columns < V)[None, :]
        g = tl.load(
            grad + member * N * V + rows[:, None] * V + columns[None, :],
            mask=ok[:, None] & inside,
            other=0.0,
        )
        at_w = tl.arange(0, D)[None, :] * V + columns[:, None]
        w = tl.load(weight + member * M + at_w, mask=(columns < V)[:, None], other=0.0)
        dh = tl.dot(g, w, acc=dh, input_precision="ieee")
    return dh


@jit
def _backward(
    dlogits, unembed, z, places, u1, u2, first_norm, first, second_norm, second, last_norm,
    du1, du2, h1, h2, dz, partial, N, M, S,
    D: tl.constexpr, V: tl.constexpr, EPS: tl.constexpr, GROUP: tl.constexpr,
    TILES: tl.constexpr, R: tl.constexpr, BV: tl.constexpr,
):  # fmt: skip
    member = tl.program_id(1).to(tl.int64)
    first_map = load_transposed(first + member * M, D)
    second_map = load_transposed(second + member * M, D)
    for step in range(TILES):
        tile = tl.program_id(0) * TILES + step
        rows = tile * R + tl.arange(0, R)
        ok = rows < N
        sums = partial + (member * tl.num_programs(0) * TILES + tile) * 5 * D
        dh = product(dlogits, unembed, member, rows, ok, N, M, R, D, V, BV)
        stage(dh, du2, member, rows, ok, N, D)
        through_gelu(u2, last_norm, du2, du2, sums, member, rows, ok, N, M, D, False, EPS)
        dh = tl.dot(load_rows(du2, member, rows, ok, N, D), second_map, input_precision="ieee")
        stage(dh, du1, member, rows, ok, N, D)
        through_gelu(u1, second_norm, du1, h2, sums + 2 * D, member, rows, ok, N, M, D, True, EPS)
        dh = tl.dot(load_rows(du1, member, rows, ok, N, D), first_map, input_precision="ieee")
        stage(dh, h1, member, rows, ok, N, D)
        through_places(
            z, places, first_norm, h1, dz, sums + 4 * D, member, tile, rows, ok, N, M, S,
            D, EPS, GROUP, R,
        )  # fmt: skip


def decode_backward(
    dlogits: Tensor, unembed: Tensor, kept: Decoded, weights: Decoder, eps: float, into: Decoder
) -> Tensor:
    """dz [P, B, D] fp32 from the logits' gradient [P, B S, V]; sets the decoder's gradients."""
    (P, B, D), S = kept.z.shape, len(kept.places)
    N, V, R = B * S, dlogits.shape[2], BACKWARD.rows
    group = math.gcd(S, R)  # rows of one tile and sequence, whose parts of dz are added up at once
    programs = tiles(N, R * TILES)
    du1, du2, h1, h2 = (torch.empty_like(kept.u1) for _ in range(4))
    dz, sums = kept.z.new_empty((P, N // group, D)), kept.z.new_empty((P, programs * TILES, 5, D))
    _backward[(programs, P)](
        dlogits, unembed, kept.z, kept.places, kept.u1, kept.u2, weights.first_norm, weights.first,
        weights.second_norm, weights.second, weights.last_norm, du1, du2, h1, h2, dz, sums, N,
        unembed.stride(0), S, D=D, V=V, EPS=eps, GROUP=group, TILES=TILES, R=R,
        BV=min(BACKWARD.columns, wide(V)), **BACKWARD.options,
    )  # fmt: skip
    vectors = into.last_norm, into.second_bias, into.second_norm, into.first_bias, into.first_norm
    for at, vector in enumerate(vectors):
        partial_sum(sums[:, :, at], vector)
    product_into(into.second, h2.mT, du2)
    product_into(into.first, h1.mT, du1)
    return dz if group == S else dz.view(P, B, -1, D).sum(2)
