"""The gradient of the inner activations back to the stream: through two weights and the norm."""

# Triton gives the arguments of a kernel their types.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls

import torch
import triton.language as tl
from torch import Tensor

from archer.model.kernels.mlp import Kept, Weights, load_up
from archer.model.kernels.tiles import (
    Tiling,
    jit,
    load_rows,
    load_vector,
    store_rows,
    tiles,
)

STREAM = Tiling(64, 64, 4, 3, 168)


@jit
def load_inner(source, member, rows, ok, at, N, I: tl.constexpr, BI: tl.constexpr):  # noqa: E741
    """Columns [R, BI] of a [P, N, I] tensor, from `at` on."""
    columns = at + tl.arange(0, BI)
    mask = ok[:, None]
    if I % BI != 0:
        mask = mask & (columns < I)[None, :]
    at = rows[:, None] * I + columns[None, :]
    return tl.load(source + member * N * I + at, mask=mask, other=0.0)


@jit
def _stream(
    unit, inverse, dz, dab, norm, gate, dy, P, N, M, apart,
    D: tl.constexpr, I: tl.constexpr, R: tl.constexpr, BI: tl.constexpr,  # noqa: E741
):  # fmt: skip
    member = tl.program_id(1).to(tl.int64)
    rows = tl.program_id(0) * R + tl.arange(0, R)
    ok = rows < N
    # These two arrive while the loop runs.
    read = load_rows(unit, member, rows, ok, N, D)
    onward = load_rows(dz, member, rows, ok, N, D)
    dh = tl.zeros((R, D), dtype=tl.float32)
    # One product a step: of two in a row Triton lays out one for other warps than the other.
    steps: tl.constexpr = (I + BI - 1) // BI
    for step in range(0, 2 * steps):
        second = step // steps
        at = (step - second * steps) * BI
        tile = load_inner(dab, second * P + member, rows, ok, at, N, I, BI)
        up = load_up(gate + member * M + second.to(tl.int64) * apart, at, D, I, BI)
        dh = tl.dot(tile, tl.trans(up), acc=dh, input_precision="ieee")
    factor = tl.load(inverse + member * N + rows, mask=ok, other=0.0)[:, None]
    weight = load_vector(norm, member, M, D)[None, :]
    read = read.to(tl.float32)
    along = dh * weight
    back = factor * (along - read * (tl.sum(along * read, 1) * (1.0 / D))[:, None])
    store_rows(dy, back + onward.to(tl.float32), member, rows, ok, N, D)


def stream_backward(kept: Kept, dz: Tensor, dab: Tensor, weights: Weights) -> Tensor:
    """dy (of x too) from dz and the inner products' gradients [2, P, N, I]."""
    P, N, D = dz.shape
    dy = torch.empty_like(dz)
    size = weights.gate.element_size()
    apart = (weights.value.data_ptr() - weights.gate.data_ptr()) // size
    _stream[(tiles(N, STREAM.rows), P)](
        kept.unit, kept.inverse, dz, dab, weights.norm, weights.gate, dy, P, N,
        weights.gate.stride(0), apart, D=D, I=dab.shape[-1], R=STREAM.rows,
        BI=STREAM.columns, **STREAM.options,
    )  # fmt: skip
    return dy
