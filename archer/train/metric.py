"""How MAD scores predictions: macro accuracy as torchmetrics computes it, and plain accuracy.

Both take any leading batch axes, stay on the device and never wait for it.
"""

import torch
from torch import Tensor

IGNORE = -100  # the label of a position that is not scored
# Parts that count for themselves on a GPU, fewer where they would need more numbers than COUNTS.
PARTS, COUNTS = 128, 8192


def macro_accuracy(predictions: Tensor, targets: Tensor, num_classes: int) -> Tensor:
    """Mean recall over the classes that are a target or a prediction: [..., N], [..., N] -> [...].

    Integers in [0, num_classes); positions with target -100 do not exist, whatever is predicted
    there. A class that is only predicted, never a target, counts 0; a class that is neither is
    left out. NaN where every position is ignored. Targets may lack leading axes that predictions
    have. Needs memory for three [..., num_classes] integers, on a GPU up to 128 times as many.
    Equals torchmetrics' MulticlassAccuracy(average="macro", ignore_index=-100).
    """
    targets = targets.expand_as(predictions)
    scored = targets != IGNORE
    support = _count(targets, scored, num_classes)
    predicted = _count(predictions, scored, num_classes)
    correct = _count(targets, scored & (predictions == targets), num_classes)
    recall = correct / support.clamp(min=1)
    return recall.sum(-1) / (support + predicted > 0).sum(-1)


def plain_accuracy(predictions: Tensor, targets: Tensor) -> Tensor:
    """The share of scored positions predicted right: [..., N], [..., N] -> [...]; NaN for none."""
    scored = targets != IGNORE
    return ((predictions == targets) & scored).sum(-1) / scored.sum(-1)


def _count(classes: Tensor, where: Tensor, num_classes: int) -> Tensor:
    """How often each class occurs where asked, int32 [..., num_classes]."""
    parts = max(1, min(PARTS, COUNTS // num_classes)) if classes.is_cuda else 1
    return count_in_parts(classes, where, num_classes, parts)


def count_in_parts(classes: Tensor, where: Tensor, num_classes: int, parts: int) -> Tensor:
    """`_count`, each of so many parts with numbers of its own.

    On a GPU additions to one number wait for each other, and there may be 16 numbers for 131,072
    positions. So positions that are not asked for are spread over the classes too.
    """
    at = torch.arange(classes.shape[-1], device=classes.device)
    spread = at % num_classes if parts > 1 else 0
    words = classes.long().where(where, spread) + at % parts * num_classes
    shape = (*classes.shape[:-1], parts * num_classes)
    counts = torch.zeros(shape, dtype=torch.int32, device=classes.device)
    counts.scatter_add_(-1, words, where.int())
    return counts.view(*shape[:-1], parts, num_classes).sum(-2, dtype=torch.int32)
