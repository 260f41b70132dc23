"""The data of a population on its device, and each member's own order of reading it.

Legend: P members, n examples, T length, B batch, S scored positions, U distinct data sets.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

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
    """One split of all members; arrays that members share are kept once.

    inputs: [U, n, T] int32, n the most any member has. positions: [S], those scored anywhere in the
    split, or None for all; logits are needed there only. targets: [U, n, S] int32.
    source: each member's row of them; examples: how many of it are the member's.
    Raises ArcherError if members differ in length.
    """

    def __init__(self, arrays: Sequence[Arrays], device: torch.device) -> None:
        for pair in arrays:
            _check(pair)
        lengths = sorted({pair[0].shape[1] for pair in arrays})
        if len(lengths) > 1:
            raise ArcherError(
                f"members of one population need sequences of one length, got {lengths}; "
                "put the others in a population apart"
            )
        keys = [(id(pair[0]), id(pair[1])) for pair in arrays]
        distinct = dict(zip(keys, arrays, strict=True))
        row = {key: index for index, key in enumerate(distinct)}
        self.source = [row[key] for key in keys]
        self.examples = [len(pair[0]) for pair in arrays]
        self.length = lengths[0]
        self.inputs = _stack([pair[0] for pair in distinct.values()], 0).to(device)
        targets = _stack([pair[1] for pair in distinct.values()], IGNORE)
        scored = (targets != IGNORE).flatten(0, 1).any(0)
        self.positions: Tensor | None = None
        if not scored.all():
            self.positions = scored.nonzero().squeeze(1).to(device)
            targets = targets[..., scored]
        self.targets = targets.to(device)

    def take(self, source: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
        """Examples `which` [P, B] of data sets `source` [P]: inputs [P, B, T], targets [P, B, S].

        Where `which` is negative there is no example: nothing is scored.
        """
        rows, at = source.unsqueeze(-1), which.clamp(min=0)
        inputs, targets = self.inputs[rows, at], self.targets[rows, at]
        return inputs, targets.masked_fill(which.unsqueeze(-1) < 0, IGNORE)


def _check(pair: Arrays) -> None:
    shapes = sorted({array.shape for array in pair})
    if len(shapes) != 1 or len(shapes[0]) != 2 or 0 in shapes[0]:
        raise ArcherError(
            f"inputs and targets need one shape [examples, length], got {shapes}; "
            "generate both from one setting"
        )


def _stack(arrays: Sequence[NDArray[np.int32]], fill: int) -> Tensor:
    """[n_i, T] each -> [U, n, T]; shorter ones are filled up."""
    most = max(len(array) for array in arrays)
    rows = [torch.from_numpy(array) for array in arrays]
    return torch.stack([functional.pad(x, (0, 0, 0, most - len(x)), value=fill) for x in rows])


@lru_cache(maxsize=512)
def epoch_order(stream: str, epoch: int, examples: int) -> Tensor:
    """A member's own permutation of its examples in this epoch, [n]."""
    return torch.randperm(examples, generator=generator(stream, "order", epoch))
