"""Pieces that several kernels share."""

# Triton gives the arguments of a kernel their types.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

SIGNALS = 16  # narrowest tile `tl.dot` takes
PROGRAMS = 264  # two for each multiprocessor of a large GPU
LEAST_SHARE = 128  # rows


class Tiling(NamedTuple):
    """How a kernel is cut up: rows and columns of a program's tiles, warps, pipeline stages.

    registers: most per thread, None for as many as there are; fewer let more programs share a
    multiprocessor.
    """

    rows: int
    columns: int
    warps: int
    stages: int
    registers: int | None = None

    @property
    def options(self) -> dict[str, int | None]:
        """Triton's names."""
        return {
            "num_warps": self.warps,
            "num_stages": self.stages,
            "maxnreg": self.registers,
        }


def jit(function: Callable[..., Any]) -> Any:
    """`triton.jit` for type checkers, which know nothing of it."""
    return triton.jit(function)


def wide(size: int) -> int:
    """The next power of two, at least 16."""
    return max(SIGNALS, 1 << (size - 1).bit_length())


def tiles(tokens: int, rows: int) -> int:
    return -(-tokens // rows)


def share(N: int, most: int, others: int) -> int:
    """Rows for a program that walks over them: fewer where a GPU would stand idle.

    others: programs beside each other for the same rows.
    """
    while most > LEAST_SHARE and tiles(N, most) * others < PROGRAMS:
        most //= 2
    return most


def partial_sum(partial: Tensor, out: Tensor) -> None:
    """[P, programs, ...] -> [P, ...], in a fixed order."""
    torch.sum(partial, 1, out=out)


def product_into(out: Tensor, left: Tensor, right: Tensor) -> None:
    """out = left right, in fp32 for bf16 factors; out may be a view of the flat buffer."""
    if left.dtype == out.dtype:
        torch.bmm(left, right, out=out)
    else:
        torch.bmm(left, right, out.dtype, out=out)


@jit
def load_stream(source, ids, member, step, rows, ok, N, D: tl.constexpr, GATHER: tl.constexpr):
    """Rows of the residual stream [R, D]; with GATHER those of the embedding, by their ids."""
    at = rows
    if GATHER:
        at = tl.load(ids + member * N + rows, mask=ok, other=0)
    at = at[:, None] * D + tl.arange(0, D)[None, :]
    return tl.load(source + member * step + at, mask=ok[:, None], other=0.0)


@jit
def load_rows(source, member, rows, ok, N, D: tl.constexpr):
    """Rows [R, D] of a [P, N, D] tensor."""
    at = rows[:, None] * D + tl.arange(0, D)[None, :]
    return tl.load(source + member * N * D + at, mask=ok[:, None], other=0.0)


@jit
def store_rows(out, value, member, rows, ok, N, D: tl.constexpr):
    at = rows[:, None] * D + tl.arange(0, D)[None, :]
    tl.store(out + member * N * D + at, value.to(out.dtype.element_ty), mask=ok[:, None])


@jit
def load_vector(source, member, M, D: tl.constexpr):
    """A parameter [D] of a member."""
    return tl.load(source + member * M + tl.arange(0, D))


@jit
def load_signal(source, member, s, D: tl.constexpr, S: tl.constexpr):
    """Column s [D] of the stacked signal maps [P, D, S], in fp32."""
    return tl.load(source + (member * D + tl.arange(0, D)) * S + s).to(tl.float32)


@jit
def sigmoid(x):
    """1 / (1 + exp(-x)) in 5 instructions of a GPU; `tl.sigmoid` is 11, see `inverse_rms`.

    `exp2` and `rsqrt` are one each, `exp` is five and a quotient six. The root is within 1.4e-7, so
    its square within 3e-7.
    """
    root = tl.rsqrt(1.0 + tl.exp2(x * -1.4426950408889634))
    return root * root


@jit
def inverse_rms(x, D: tl.constexpr, EPS: tl.constexpr):
    """1 / sqrt(mean x^2 + eps) of each row, [R, 1].

    Every lane that holds part of a row computes this: `rsqrt` is one instruction, a correctly
    rounded root and a quotient are 27. D is a power of two, so its inverse is exact.
    """
    return tl.rsqrt(tl.sum(x * x, 1) * (1.0 / D) + EPS)[:, None]


@jit
def norm_vjp(grad, unit, inverse, weight, D: tl.constexpr):
    """Gradient of x where y = unit * weight, unit = x * inverse."""
    along = grad * weight[None, :]
    return inverse * (along - unit * (tl.sum(along * unit, 1) * (1.0 / D))[:, None])


@jit
def store_norm(
    x, norm, maps, hidden, raw, member, M, rows, ok, N,
    D: tl.constexpr, S: tl.constexpr, EPS: tl.constexpr,
):  # fmt: skip
    """Stores h = RMSNorm(x) in the compute type and the signals' linear maps h W, in fp32."""
    h = x * inverse_rms(x, D, EPS) * load_vector(norm, member, M, D)[None, :]
    h = h.to(hidden.dtype.element_ty)
    store_rows(hidden, h, member, rows, ok, N, D)
    h = h.to(tl.float32)
    for s in tl.static_range(S):
        found = tl.sum(h * load_signal(maps, member, s, D, S)[None, :], 1)
        tl.store(raw + (member * N + rows) * S + s, found, mask=ok)
