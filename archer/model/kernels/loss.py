"""Cross-entropy with masked targets, its gradient written over the logits; scores of a split.

Each member has its own number of words: the logits of the rest of a padded vocabulary are -inf.
"""

# Triton gives the arguments of a kernel their types.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls

import torch
import triton.language as tl
from torch import Tensor

from archer.model.kernels.tiles import Tiling, jit, tiles, wide

TILING = Tiling(8192, 1, 8, 1)  # its rows are logits
COUNTED = 4096  # targets counted at a time
ADDED = 2048  # partial sums added at a time


@jit
def load_logits(logits, bias, words, member, rows, ok, N, M, V: tl.constexpr, VB: tl.constexpr):
    """[R, VB] in fp32 with bias, -inf beyond the member's words."""
    columns = tl.arange(0, VB)
    inside = columns < V
    at = rows[:, None] * V + columns[None, :]
    x = tl.load(logits + member * N * V + at, mask=ok[:, None] & inside[None, :], other=0.0)
    x = x.to(tl.float32) + tl.load(bias + member * M + columns, mask=inside, other=0.0)[None, :]
    return tl.where((columns < tl.load(words + member))[None, :], x, float("-inf"))


@jit
def losses_of(x, target, VB: tl.constexpr):
    """Cross-entropy of each row, 0 where nothing is scored, and the softmax."""
    top = tl.max(x, 1)
    e = tl.exp(x - top[:, None])
    total = tl.sum(e, 1)
    hot = tl.arange(0, VB)[None, :] == target[:, None]
    right = tl.sum(tl.where(hot, x, 0.0), 1)
    loss = tl.where(target >= 0, top + tl.log(total) - right, 0.0)
    return loss, e / total[:, None], hot


@jit
def _count(targets, scored, N, R: tl.constexpr):
    """Scored positions of a member, which every program of `_train` divides by."""
    member = tl.program_id(0).to(tl.int64)
    found = tl.zeros((R,), dtype=tl.int32)
    for start in range(0, N, R):
        rows = start + tl.arange(0, R)
        target = tl.load(targets + member * N + rows, mask=rows < N, other=-100)
        found += (target >= 0).to(tl.int32)
    tl.store(scored + member, tl.sum(found, 0).to(tl.float32))


@jit
def _train(
    logits, bias, words, targets, scored, partial, N, M,
    V: tl.constexpr, VB: tl.constexpr, R: tl.constexpr,
):  # fmt: skip
    """Partial sums [V + 1] of a program: the gradient of the bias and, last, the loss."""
    member = tl.program_id(1).to(tl.int64)
    rows = tl.program_id(0) * R + tl.arange(0, R)
    ok = rows < N
    x = load_logits(logits, bias, words, member, rows, ok, N, M, V, VB)
    target = tl.load(targets + member * N + rows, mask=ok, other=-100)
    loss, softmax, hot = losses_of(x, target, VB)
    share = tl.where(target >= 0, 1.0 / tl.maximum(tl.load(scored + member), 1.0), 0.0)
    grad = (softmax - tl.where(hot, 1.0, 0.0)) * share[:, None]
    columns = tl.arange(0, VB)
    inside = columns < V
    at = rows[:, None] * V + columns[None, :]
    low = grad.to(logits.dtype.element_ty)
    tl.store(logits + member * N * V + at, low, mask=ok[:, None] & inside[None, :])
    partial += (member * tl.num_programs(0) + tl.program_id(0)) * (V + 1)
    tl.store(partial + columns, tl.sum(grad, 0), mask=inside)
    tl.store(partial + V, tl.sum(loss, 0))


@jit
def _finish(
    partial, scored, dbias, losses, programs, M,
    V: tl.constexpr, VB: tl.constexpr, R: tl.constexpr,
):  # fmt: skip
    """Adds the partial sums of a member in a fixed order."""
    member = tl.program_id(0).to(tl.int64)
    partial += member * programs * (V + 1)
    columns = tl.arange(0, VB)
    grad = tl.zeros((R, VB), dtype=tl.float32)
    loss = tl.zeros((R,), dtype=tl.float32)
    for start in range(0, programs, R):
        rows = start + tl.arange(0, R)
        ok = rows < programs
        at = rows.to(tl.int64)[:, None] * (V + 1) + columns[None, :]
        grad += tl.load(partial + at, mask=ok[:, None] & (columns < V)[None, :], other=0.0)
        loss += tl.load(partial + rows.to(tl.int64) * (V + 1) + V, mask=ok, other=0.0)
    tl.store(dbias + member * M + columns, tl.sum(grad, 0), mask=columns < V)
    count = tl.load(scored + member)
    mean = tl.sum(loss, 0) / tl.maximum(count, 1.0)
    tl.store(losses + member, tl.where(count > 0, mean, float("nan")))


def cross_entropy(
    logits: Tensor, bias: Tensor, words: Tensor, targets: Tensor, dbias: Tensor
) -> Tensor:
    """Mean loss of each member over its scored positions, [P] fp32; logits become its gradient.

    logits: [P, N, V] before the bias; bias: [P, V] fp32; words: [P] int32, the members' vocabulary;
    targets: [P, N], -100 where not scored. Sets dbias [P, V]. A member with nothing scored gets a
    gradient of 0 and a loss of NaN.
    """
    P, N, V = logits.shape
    VB = wide(V)
    R = max(1, TILING.rows // VB)
    programs = tiles(N, R)
    scored, losses = torch.empty(2, P, device=logits.device).unbind()
    partial = losses.new_empty(P, programs, V + 1)
    _count[(P,)](targets, scored, N, R=COUNTED, num_warps=8)
    _train[(programs, P)](
        logits, bias, words, targets, scored, partial, N, bias.stride(0),
        V=V, VB=VB, R=R, **TILING.options,
    )  # fmt: skip
    _finish[(P,)](
        partial, scored, dbias, losses, programs, dbias.stride(0),
        V=V, VB=VB, R=max(1, ADDED // VB), num_warps=4,
    )  # fmt: skip
    return losses


@jit
def _score(
    logits, bias, words, targets, partial, found, N, M,
    V: tl.constexpr, VB: tl.constexpr, R: tl.constexpr,
):  # fmt: skip
    """Partial sums of a program: losses and scored positions."""
    member = tl.program_id(1).to(tl.int64)
    rows = tl.program_id(0) * R + tl.arange(0, R)
    ok = rows < N
    x = load_logits(logits, bias, words, member, rows, ok, N, M, V, VB)
    target = tl.load(targets + member * N + rows, mask=ok, other=-100)
    loss, _, _ = losses_of(x, target, VB)
    partial += (member * tl.num_programs(0) + tl.program_id(0)) * 2
    tl.store(partial, tl.sum(loss, 0))
    tl.store(partial + 1, tl.sum((target >= 0).to(tl.float32), 0))
    likeliest = tl.minimum(tl.argmax(x, 1), V - 1)  # of NaN it may be any column
    tl.store(found + member * N + rows, likeliest, mask=ok)


def score(logits: Tensor, bias: Tensor, words: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Mean loss [P] as above, and the likeliest word of every position, [P, N] int32."""
    P, N, V = logits.shape
    words = words.contiguous()  # a member for each of several batches may be a view of one
    VB = wide(V)
    R = max(1, TILING.rows // VB)
    partial = torch.empty(P, tiles(N, R), 2, device=logits.device)
    found = torch.empty(P, N, dtype=torch.int32, device=logits.device)
    _score[(tiles(N, R), P)](
        logits, bias, words, targets, partial, found, N, bias.stride(0),
        V=V, VB=VB, R=R, **TILING.options,
    )  # fmt: skip
    losses, scored = partial.sum(1).unbind(1)
    return losses / scored, found
