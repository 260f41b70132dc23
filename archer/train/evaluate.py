"""Loss and scores of a population on one split.

Legend: P members, B batch, S scored positions, N = B * S, V vocabulary, M batches.
"""

import torch
from torch import Tensor
from torch.nn import functional

from archer.model.backbone import Backbone
from archer.train.data import Split
from archer.train.metric import IGNORE, macro_accuracy, plain_accuracy

EVALUATION_BATCH = 128  # part of the metric: macro accuracy is taken per batch of 128


def member_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy over scored positions: [P, B, S, V], [P, B, S] -> [P], in float32."""
    members = logits.shape[0]
    losses = functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]).float(),
        targets.reshape(-1),
        ignore_index=IGNORE,
        reduction="none",
    )
    scored = (targets != IGNORE).view(members, -1).sum(1)
    return losses.view(members, -1).sum(1) / scored


@torch.no_grad()
def evaluate(model: Backbone, split: Split) -> Tensor:
    """[P, 4]: macro accuracy, plain accuracy, loss, perplexity (see `SplitMetrics`)."""
    losses, predictions, targets = [], [], []
    for inputs, answers in split.batches(EVALUATION_BATCH):
        logits = model(inputs, split.positions)
        losses.append(member_losses(logits, answers))
        predictions.append(logits.argmax(-1).flatten(1))
        targets.append(answers.flatten(1))
    loss = torch.stack(losses, 1)
    found, wanted = _even(predictions), _even(targets)
    macro = macro_accuracy(found, wanted, model.config.vocab_size).mean(1)
    plain = plain_accuracy(found.flatten(1), wanted.flatten(1))
    return torch.stack([macro, plain, loss.mean(1), loss.exp().mean(1)], 1)


def _even(batches: list[Tensor]) -> Tensor:
    """[P, N] each -> [P, M, N]; a shorter last batch is filled with unscored positions."""
    missing = batches[0].shape[1] - batches[-1].shape[1]
    batches = [*batches[:-1], functional.pad(batches[-1], (0, missing), value=IGNORE)]
    return torch.stack(batches, 1)
