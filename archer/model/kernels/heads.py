"""RMSNorm of each head's part of a row, and its gradient."""

# Triton gives the arguments of a kernel their types.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls

import triton.language as tl

from archer.model.kernels.tiles import inverse_rms, jit, load_vector


@jit
def heads_unit(o, H: tl.constexpr, K: tl.constexpr, EPS: tl.constexpr):
    """Each head's part of o [R, H K] over its root mean square, and one over that."""
    if H == 1:
        inverse = inverse_rms(o, K, EPS)
        return o * inverse, inverse
    else:
        R: tl.constexpr = o.shape[0]
        split = tl.reshape(o, (R, H, K))
        inverse = tl.rsqrt(tl.sum(split * split, 2) * (1.0 / K) + EPS)[:, :, None]
        return tl.reshape(split * inverse, (R, H * K)), inverse


@jit
def heads_unit_vjp(g, unit, inverse, H: tl.constexpr, K: tl.constexpr):
    """Gradient of o [R, H K] from that of its unit rows."""
    if H == 1:
        return inverse * (g - unit * (tl.sum(g * unit, 1) * (1.0 / K))[:, None])
    else:
        R: tl.constexpr = g.shape[0]
        g3, unit3 = tl.reshape(g, (R, H, K)), tl.reshape(unit, (R, H, K))
        do = inverse * (g3 - unit3 * (tl.sum(g3 * unit3, 2) * (1.0 / K))[:, :, None])
        return tl.reshape(do, (R, H * K))


@jit
def load_heads(norm, member, M, H: tl.constexpr, K: tl.constexpr):
    """The weight [K] that all heads share, once for each: [H K]."""
    if H == 1:
        return load_vector(norm, member, M, K)
    else:
        return tl.load(norm + member * M + tl.arange(0, H * K) % K)


@jit
def heads_norm(o, norm, member, M, H: tl.constexpr, K: tl.constexpr, EPS: tl.constexpr):
    """Each head's RMSNorm of o [R, H K]."""
    unit, _ = heads_unit(o, H, K, EPS)
    return unit * load_heads(norm, member, M, H, K)[None, :]
