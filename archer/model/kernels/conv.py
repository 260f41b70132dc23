"""The causal convolution of width 4 and SiLU on q, k and v, read once and written once.

z_t = w0 x_{t-3} + w1 x_{t-2} + w2 x_{t-1} + w3 x_t        y = z sigmoid(z)

Sequences are cut into segments. A row of a program's tile walks one of them, with what the taps
still need in registers. Each time it loads several steps, stores the steps computed before and then
computes: since no load is moved behind a store, all loads are under way by then. (Stored as soon as
they are known, the loads went out one by one: the compiler moves them to their first use.)
"""

# Triton gives the arguments of a kernel their types.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls

from typing import Any, NamedTuple

import torch
import triton.language as tl
from torch import Tensor

from archer.model.kernels.tiles import SIGNALS, Tiling, jit, sigmoid, tiles, wide

WIDTH = 4
PROGRAMS = 2048  # fewer leave a GPU idle: segments get shorter then
SHORTEST = 16


class Walk(NamedTuple):
    """How sequences are walked.

    tiling: rows are segments; segment: its time steps at most; steps: loaded at a time.
    """

    tiling: Tiling
    segment: int
    steps: int

    def cut(self, x: Tensor, parts: int) -> tuple[int, int, dict[str, Any]]:
        """Programs for a member's rows and for the parts of its columns; the kernel's options."""
        P, B, T, D = *x.shape[:3], x.shape[3] // parts
        divisor = D & -D
        columns = min(self.tiling.columns, divisor if divisor >= SIGNALS else wide(D))
        R = self.tiling.rows * self.tiling.columns // columns
        blocks = parts * tiles(D, columns)
        L = max(self.steps, min(self.segment, wide(T)))
        least = max(SHORTEST, self.steps)
        while least < L and P * B * tiles(T, L) * blocks < R * PROGRAMS:
            L //= 2
        rows = B * tiles(T, L)
        even = T % L == 0 and rows % R == 0 and D % columns == 0
        options = {"BC": columns, "R": R, "L": L, "U": self.steps, "EVEN": even}
        return tiles(rows, R), blocks, options | self.tiling.options


FORWARD = Walk(Tiling(4, 128, 4, 1), 8, 8)  # a segment is loaded all at once


@jit
def segments(B, T, R: tl.constexpr, L: tl.constexpr):
    """First token within the member, first time and first time not there, of the rows, [R, 1]."""
    row = tl.program_id(1) * R + tl.arange(0, R)
    per = tl.cdiv(T, L)
    begin = (row % per) * L
    end = tl.where(row < B * per, T, 0)
    return ((row // per) * T + begin)[:, None], begin[:, None], end[:, None]


@jit
def load_taps(weight, ok, C: tl.constexpr):
    w0 = tl.load(weight, mask=ok, other=0.0)
    w1 = tl.load(weight + C, mask=ok, other=0.0)
    w2 = tl.load(weight + 2 * C, mask=ok, other=0.0)
    w3 = tl.load(weight + 3 * C, mask=ok, other=0.0)
    return w0[None, :], w1[None, :], w2[None, :], w3[None, :]


@jit
def load_before(x, begin, end, inside, C: tl.constexpr):
    """x at the three times before a segment, the last first; 0 before the sequence."""
    ok = inside & (begin > 0) & (begin < end)
    x1 = tl.load(x - C, mask=ok, other=0.0).to(tl.float32)
    x2 = tl.load(x - 2 * C, mask=ok, other=0.0).to(tl.float32)
    x3 = tl.load(x - 3 * C, mask=ok, other=0.0).to(tl.float32)
    return x1, x2, x3


@jit
def load_steps(x, time, end, inside, STEP: tl.constexpr, U: tl.constexpr, EVEN: tl.constexpr):
    """U steps from `time` on, as they are stored; 0 after the sequence."""
    found = ()
    for u in tl.static_range(U):
        if EVEN:
            value = tl.load(x + u * STEP)
        else:
            value = tl.load(x + u * STEP, mask=inside & (time + u < end), other=0.0)
        found += (value,)  # type: ignore[assignment]
    return found


@jit
def convolve(x0, past, taps):
    return taps[0] * past[2] + taps[1] * past[1] + taps[2] * past[0] + taps[3] * x0


@jit
def store_steps(
    y, values, first, begin, end, inside,
    STEP: tl.constexpr, U: tl.constexpr, LATE: tl.constexpr, EVEN: tl.constexpr,
):  # fmt: skip
    """Stores U steps from `first` of the segment on; with LATE those before it belong to others."""
    for u in tl.static_range(U):
        if not EVEN:
            ok = inside & (first + u >= 0) & (begin + first + u < end)
            tl.store(y + u * STEP, values[u], mask=ok)
        elif LATE:
            tl.store(y + u * STEP, values[u], mask=first + u >= 0)
        else:
            tl.store(y + u * STEP, values[u])


@jit
def _outputs(values, past, taps, U: tl.constexpr):
    """y of U steps as it is stored; the last three x."""
    found = ()
    for u in tl.static_range(U):
        x0 = values[u].to(tl.float32)
        z = convolve(x0, past, taps)
        found += ((z * sigmoid(z)).to(values[u].dtype),)  # type: ignore[assignment]
        past = (x0, past[0], past[1])
    return found, past


@jit
def _forward(
    x, weight, y, B, T, M, C: tl.constexpr, BC: tl.constexpr, R: tl.constexpr,
    L: tl.constexpr, U: tl.constexpr, EVEN: tl.constexpr,
):  # fmt: skip
    member = tl.program_id(2).to(tl.int64)
    columns = tl.program_id(0) * BC + tl.arange(0, BC)
    inside = (columns < C)[None, :]
    token, begin, end = segments(B, T, R, L)
    at = (member * B * T + token) * C + columns[None, :]
    x += at
    y += at
    past = load_before(x, begin, end, inside, C)
    values = load_steps(x, begin, end, inside, C, U, EVEN)
    taps = load_taps(weight + member * M + columns, columns < C, C)
    out, past = _outputs(values, past, taps, U)
    for start in range(U, L, U):
        x += U * C
        values = load_steps(x, begin + start, end, inside, C, U, EVEN)
        store_steps(y, out, start - U, begin, end, inside, C, U, False, EVEN)
        out, past = _outputs(values, past, taps, U)
        y += U * C
    store_steps(y, out, L - U, begin, end, inside, C, U, False, EVEN)


def conv_silu(x: Tensor, weight: Tensor) -> Tensor:
    """x: [P, B, T, C], weight: [P, 4, C] fp32 -> y, as x."""
    P, B, T, C = x.shape
    y = torch.empty_like(x)
    programs, blocks, options = FORWARD.cut(x, 1)
    _forward[(blocks, programs, P)](x, weight, y, B, T, weight.stride(0), C=C, **options)
    return y
