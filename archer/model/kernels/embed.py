"""The embedding: its rows normalised for the first layer, and its gradient.

The stream itself is not written here: whoever needs it reads the table's rows by the ids again,
which stay in the L2 cache.
"""

# Triton gives the arguments of a kernel their types.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls

from dataclasses import dataclass

import torch
import triton.language as tl
from torch import Tensor

from archer.model.kernels.tiles import (
    Tiling,
    jit,
    load_rows,
    load_stream,
    partial_sum,
    store_norm,
    tiles,
    wide,
)

NORM = Tiling(32, 0, 4, 1)  # columns: all
VOCABULARY = 64  # rows of the table per program of the gradient
PROGRAMS = 1024  # about as many as keep a GPU busy


@dataclass(frozen=True)
class Stream:
    """Where the residual stream lies: a tensor [P, N, D], or a table [P, V, D] read by ids [P, N].

    source: the tensor or the table, fp32.
    """

    source: Tensor
    ids: Tensor | None = None

    @property
    def step(self) -> int:
        """Numbers between members."""
        return self.source.stride(0)

    @property
    def index(self) -> Tensor:
        """What a kernel takes as ids, unused without them."""
        return self.source if self.ids is None else self.ids


@dataclass(frozen=True)
class NextNorm:
    """The RMSNorm behind a layer and the signal maps that read it.

    weight: [P, D] fp32; maps: [P, D, S] in the compute type, or None.
    """

    weight: Tensor
    maps: Tensor | None = None

    @property
    def signals(self) -> int:
        return 0 if self.maps is None else self.maps.shape[-1]


@jit
def _embed_norm(
    ids, table, step, norm, maps, hidden, raw, N, M,
    D: tl.constexpr, S: tl.constexpr, EPS: tl.constexpr, R: tl.constexpr,
):  # fmt: skip
    member = tl.program_id(1).to(tl.int64)
    rows = tl.program_id(0) * R + tl.arange(0, R)
    ok = rows < N
    x = load_stream(table, ids, member, step, rows, ok, N, D, True)
    store_norm(x, norm, maps, hidden, raw, member, M, rows, ok, N, D, S, EPS)


def embed_norm(stream: Stream, norm: NextNorm, eps: float, dtype: torch.dtype) -> list[Tensor]:
    """Hidden [P, N, D] in `dtype` and raw signals [P, N, S] in fp32, of embedded tokens."""
    assert stream.ids is not None
    (P, N), D, S = stream.ids.shape, stream.source.shape[-1], norm.signals
    new = stream.source.new_empty
    hidden, raw = new((P, N, D), dtype=dtype), new((P, N, S))
    maps = hidden if norm.maps is None else norm.maps
    _embed_norm[(tiles(N, NORM.rows), P)](
        stream.ids, stream.source, stream.step, norm.weight, maps, hidden, raw, N,
        norm.weight.stride(0), D=D, S=S, EPS=eps, R=NORM.rows, **NORM.options,
    )  # fmt: skip
    return [hidden, raw]


@jit
def _gradient(
    ids, dx, partial, N, V, SPLITS, D: tl.constexpr, BV: tl.constexpr, R: tl.constexpr,
):  # fmt: skip
    member = tl.program_id(2).to(tl.int64)
    split = tl.program_id(1)
    words = tl.program_id(0) * BV + tl.arange(0, BV)
    total = tl.zeros((BV, D), dtype=tl.float32)
    for start in range(split * R, N, SPLITS * R):
        rows = start + tl.arange(0, R)
        ok = rows < N
        word = tl.load(ids + member * N + rows, mask=ok, other=-1)
        grad = load_rows(dx, member, rows, ok, N, D)
        hot = (words[:, None] == word[None, :]).to(grad.dtype)
        total = tl.dot(hot, grad, acc=total, input_precision="ieee")
    at = words[:, None] * D + tl.arange(0, D)[None, :]
    partial += (member * SPLITS + split) * V * D
    tl.store(partial + at, total, mask=(words < V)[:, None])


def embed_gradient(ids: Tensor, dx: Tensor, out: Tensor) -> None:
    """Sums dx [P, N, D] over the tokens of each word, as one-hot products: out [P, V, D]."""
    P, N, D = dx.shape
    V = out.shape[1]
    BV, R = min(wide(V), VOCABULARY), 64
    blocks = tiles(V, BV)
    splits = max(1, min(tiles(N, R), PROGRAMS // (P * blocks)))
    partial = out.new_empty(P, splits, V, D)
    _gradient[(blocks, splits, P)](
        ids, dx, partial, N, V, splits, D=D, BV=BV, R=R, num_warps=4
    )  # fmt: skip
    partial_sum(partial, out)
