"""Loss and scores of a population.

Legend: P members, B batch, S scored positions, N = B * S, V vocabulary.
"""

import torch
from torch import Tensor
from torch.nn import functional

from archer.memory.dispatch import full
from archer.train.metric import IGNORE, macro_accuracy

EVALUATION_BATCH = 128  # part of the metric: macro accuracy is taken per batch of 128


def member_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy over scored positions, at least fp32: [P, B, S, V], [P, B, S] -> [P]."""
    members = logits.shape[0]
    losses = functional.cross_entropy(
        full(logits.reshape(-1, logits.shape[-1])),
        targets.reshape(-1).long(),
        ignore_index=IGNORE,
        reduction="none",
    )
    scored = (targets != IGNORE).view(members, -1).sum(1)
    return losses.view(members, -1).sum(1) / scored


def batch_scores(losses: Tensor, found: Tensor, targets: Tensor, words: int) -> Tensor:
    """What one batch adds to an evaluation, [P, 5]: see `summary`.

    losses: [P]; found: likeliest words and targets, [P, B, S] integers below `words`.
    """
    found, targets = found.flatten(1), targets.flatten(1)
    macro = macro_accuracy(found, targets, words)
    scored = targets != IGNORE
    hits = ((found == targets) & scored).sum(1)
    return torch.stack([macro, losses, losses.exp(), hits, scored.sum(1)], 1)


def summary(batches: Tensor) -> Tensor:
    """[P, batches, 5] -> [P, 4]: macro accuracy, plain accuracy, loss, perplexity.

    See `SplitMetrics`.
    """
    macro, loss, perplexity = batches[..., :3].mean(1).unbind(1)
    hits, scored = batches[..., 3:].sum(1).unbind(1)  # whole numbers far below 2^24
    return torch.stack([macro, hits / scored, loss, perplexity], 1)
