"""RMSNorm of each head's part of a row, and its gradient."""

# Triton gives the arguments of a kernel their types.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls

import triton.language as tl

from archer.model.kernels.tiles import jit, load_vector


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
