"""Loss and scores of a population.

Legend: P members, K batches scored at once, B batch, S scored positions, V vocabulary.
"""

import torch
from torch import Tensor
from torch.nn import functional

from archer.memory.dispatch import full
from archer.train.metric import IGNORE, macro_accuracy

EVALUATION_BATCH = 128  # part of the metric: macro accuracy is taken per batch of 128


def member_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy over scored positions, at least fp32: [P, B, S, V], [P, B, S] -> [P].

    Targets [P, K, B / K, S] give each of K batches its own mean: [P, K].
    """
    lead = targets.shape[:-2]
    losses = functional.cross_entropy(
        full(logits.reshape(-1, logits.shape[-1])),
        targets.reshape(-1).long(),
        ignore_index=IGNORE,
        reduction="none",
    )
    scored = (targets != IGNORE).view(*lead, -1).sum(-1)
    return losses.view(*lead, -1).sum(-1) / scored


def batch_scores(losses: Tensor, found: Tensor, targets: Tensor, words: int) -> Tensor:
    """What batches add to an evaluation, [P, 5] or [P, K, 5]: see `summary`.

    losses: [P] or [P, K]; found: likeliest words and targets, [P, B, S] or [P, K, B, S] integers
    below `words`.
    """
    found, targets = found.flatten(-2), targets.flatten(-2)
    macro = macro_accuracy(found, targets, words)
    scored = targets != IGNORE
    hits = ((found == targets) & scored).sum(-1)
    return torch.stack([macro, losses, losses.exp(), hits, scored.sum(-1)], -1)


def summary(batches: Tensor) -> Tensor:
    """[P, batches, 5] -> [P, 4]: macro accuracy, plain accuracy, loss, perplexity.

    See `SplitMetrics`.
    """
    macro, loss, perplexity = batches[..., :3].mean(1).unbind(1)
    hits, scored = batches[..., 3:].sum(1).unbind(1)  # whole numbers far below 2^24
    return torch.stack([macro, hits / scored, loss, perplexity], 1)
