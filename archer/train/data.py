"""The data of a population on its device, and each member's own order of reading it.

Legend: P members, n examples, T length, B batch, S scored positions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from archer.errors import ArcherError
from archer.model.init import generator
from archer.train.metric import IGNORE

Arrays = tuple[NDArray[np.int32], NDArray[np.int32]]


@dataclass(frozen=True)
class MemberData:
    """Inputs and targets of one member's three splits, int32 [n, T] each; -100 is not scored."""

    train: Arrays
    validation: Arrays
    test: Arrays


class Split:
    """One split of all members, stacked.

    inputs: [P, n, T] int32. positions: [S], those scored anywhere in the split, or None for all;
    logits are needed there only. targets: [P, n, S] int64.
    Raises ArcherError if members differ in shape.
    """

    def __init__(self, arrays: Sequence[Arrays], device: torch.device) -> None:
        shapes = {array.shape for pair in arrays for array in pair}
        if len(shapes) != 1 or len(min(shapes)) != 2 or 0 in min(shapes):
            raise ArcherError(
                "members of one population need inputs and targets of one shape "
                f"[examples, length], got {sorted(shapes)}; put the others in a population apart"
            )
        self.members = len(arrays)
        self.examples, self.length = min(shapes)
        self.inputs = torch.stack([torch.from_numpy(pair[0]) for pair in arrays]).to(device)
        targets = torch.stack([torch.from_numpy(pair[1]) for pair in arrays]).long()
        scored = (targets != IGNORE).flatten(0, 1).any(0)
        self.positions: Tensor | None = None
        if not scored.all():
            self.positions = scored.nonzero().squeeze(1).to(device)
            targets = targets[..., scored]
        self.targets = targets.to(device)
        self.rows = torch.arange(self.members, device=device).unsqueeze(-1)

    def take(self, which: Tensor) -> tuple[Tensor, Tensor]:
        """Examples `which` [P, B] of each member: inputs [P, B, T], targets [P, B, S]."""
        return self.inputs[self.rows, which], self.targets[self.rows, which]

    def batches(self, size: int) -> list[tuple[Tensor, Tensor]]:
        """The split in order, in batches of `size`; the last may be smaller."""
        inputs, targets = torch.split(self.inputs, size, 1), torch.split(self.targets, size, 1)
        return list(zip(inputs, targets, strict=True))


def epoch_order(streams: Sequence[str], epoch: int, examples: int) -> Tensor:
    """Each member's own permutation of its examples in this epoch, [P, n]."""
    orders = [
        torch.randperm(examples, generator=generator(stream, "order", epoch)) for stream in streams
    ]
    return torch.stack(orders)
