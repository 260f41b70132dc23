"""Cross-entropy with masked targets, its gradient written over the logits; scores of a split.

Each member has its own number of words: the logits of the rest of a padded vocabulary are -inf.
"""

# Triton gives the arguments of a kernel their types.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls

import torch
import triton.language as tl
from torch import Tensor

from archer.model.kernels.tiles import jit, partial_sum, tiles, wide

TILE = 8192  # logits of a program
IGNORE = -100


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
def _train(
    logits, bias, words, targets, scored, losses, partial, N, M,
    V: tl.constexpr, VB: tl.constexpr, R: tl.constexpr,
):  # fmt: skip
    member = tl.program_id(1).to(tl.int64)
    rows = tl.program_id(0) * R + tl.arange(0, R)
    ok = rows < N
    x = load_logits(logits, bias, words, member, rows, ok, N, M, V, VB)
    target = tl.load(targets + member * N + rows, mask=ok, other=-100)
    loss, softmax, hot = losses_of(x, target, VB)
    tl.store(losses + member * N + rows, loss, mask=ok)
    share = tl.where(target >= 0, 1.0, 0.0) / tl.load(scored + member).to(tl.float32)
    grad = (softmax - tl.where(hot, 1.0, 0.0)) * share[:, None]
    columns = tl.arange(0, VB)
    inside = columns < V
    at = rows[:, None] * V + columns[None, :]
    low = grad.to(logits.dtype.element_ty)
    tl.store(logits + member * N * V + at, low, mask=ok[:, None] & inside[None, :])
    program = member * tl.num_programs(0) + tl.program_id(0)
    tl.store(partial + program * V + columns, tl.sum(grad, 0), mask=inside)


def cross_entropy(
    logits: Tensor, bias: Tensor, words: Tensor, targets: Tensor, dbias: Tensor | None = None
) -> Tensor:
    """Mean loss of each member over its scored positions, [P] fp32; logits become its gradient.

    logits: [P, N, V] before the bias; bias: [P, V] fp32; words: [P] int32, the members' vocabulary;
    targets: [P, N], -100 where not scored. Sets dbias [P, V]. A member with nothing scored gets a
    gradient of 0 and a loss of NaN.
    """
    P, N, V = logits.shape
    VB = wide(V)
    R = max(1, TILE // VB)
    scored = (targets != IGNORE).sum(1, dtype=torch.int32)
    losses = torch.empty(P, N, device=logits.device)
    partial = losses.new_empty(P, tiles(N, R), V)
    _train[(tiles(N, R), P)](
        logits, bias, words, targets, scored.clamp(min=1), losses, partial, N, bias.stride(0),
        V=V, VB=VB, R=R, num_warps=8,
    )  # fmt: skip
    if dbias is not None:
        partial_sum(partial, dbias)
    return losses.sum(1) / scored


@jit
def _score(
    logits, bias, words, targets, losses, found, N, M,
    V: tl.constexpr, VB: tl.constexpr, R: tl.constexpr,
):  # fmt: skip
    member = tl.program_id(1).to(tl.int64)
    rows = tl.program_id(0) * R + tl.arange(0, R)
    ok = rows < N
    x = load_logits(logits, bias, words, member, rows, ok, N, M, V, VB)
    target = tl.load(targets + member * N + rows, mask=ok, other=-100)
    loss, _, _ = losses_of(x, target, VB)
    tl.store(losses + member * N + rows, loss, mask=ok)
    likeliest = tl.minimum(tl.argmax(x, 1), V - 1)  # of NaN it may be any column
    tl.store(found + member * N + rows, likeliest, mask=ok)


def score(logits: Tensor, bias: Tensor, words: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Mean loss [P] as above, and the likeliest word of every position, [P, N] int32."""
    P, N, V = logits.shape
    VB = wide(V)
    R = max(1, TILE // VB)
    losses = torch.empty(P, N, device=logits.device)
    found = torch.empty(P, N, dtype=torch.int32, device=logits.device)
    _score[(tiles(N, R), P)](
        logits, bias, words, targets, losses, found, N, bias.stride(0),
        V=V, VB=VB, R=R, num_warps=8,
    )  # fmt: skip
    return losses.sum(1) / (targets != IGNORE).sum(1), found
