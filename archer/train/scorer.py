"""Evaluates members at the end of their epochs, on networks of its own where that is recorded.

Legend: Q members scored at a time, n examples.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from archer.errors import ArcherError
from archer.train.data import Split
from archer.train.evaluate import EVALUATION_BATCH, batch_scores, summary
from archer.train.network import Network
from archer.train.replay import Replay

# Members scored at a time on a GPU: 16 about fill it, fewer places are for fewer members.
TOGETHER = (4, 8, 16)


class Scorer:
    """Scores rows of a network on some splits.

    On a CPU the network itself is evaluated; on a GPU rows are copied into Q of a scoring network,
    so that whoever ends an epoch is scored by the same few recordings.
    """

    def __init__(self, splits: Sequence[Split], device: torch.device, most: int) -> None:
        self.splits, self.device, self.most = splits, device, most
        self.apart: dict[int, _Apart] = {}

    def score(self, network: Network, rows: Sequence[int], members: Sequence[int]) -> Tensor:
        """[rows, 4 * splits]: `summary` of each split. members: who they are, for their data."""
        if self.device.type != "cuda":
            everyone = list(range(network.members))
            who = dict(zip(rows, members, strict=True))
            data = [who.get(row, members[0]) for row in everyone]
            found = [score_split(network, split, data) for split in self.splits]
            return torch.cat(found, 1)[list(rows)]
        parts, done = [], 0
        for Q in portions(len(rows), self.most):
            if Q not in self.apart:
                self.apart[Q] = _Apart(network.resized(Q, self.device), self.splits)
            here = slice(done, done + Q)
            parts.append(self.apart[Q](network, rows[here], members[here]))
            done += Q
        return torch.cat(parts)


def portions(members: int, most: int) -> list[int]:
    """Places of the networks that score so many members, one after the other.

    most: members there can be; a network of that many is as good as the next larger one.
    """
    found: list[int] = []
    while members > sum(found):
        left = members - sum(found)
        found.append(next((Q for Q in TOGETHER if left <= Q), TOGETHER[-1]))
    return [min(Q, most) for Q in found]


def score_split(network: Network, split: Split, members: Sequence[int]) -> Tensor:
    """[P, 4]; members: whose data each row reads."""
    source = torch.tensor([split.source[m] for m in members], device=network.device)
    words = network.model.config.vocab_size
    batches = []
    for which in torch.split(_examples(split, network.device), EVALUATION_BATCH):
        inputs, targets = split.take(source, which.expand(len(source), -1))
        losses, found = network.engine.score(inputs, targets, split.positions)
        batches.append(batch_scores(losses, found, targets, words))
    return summary(torch.stack(batches, 1))


def _examples(split: Split, device: torch.device) -> Tensor:
    if len(set(split.examples)) > 1:
        raise ArcherError(
            f"members of one population need as many validation and test examples each, got "
            f"{sorted(set(split.examples))}; put the others in a population apart"
        )
    return torch.arange(split.examples[0], device=device)


class _Apart:
    """Q members' copies, and one recorded batch per split."""

    def __init__(self, network: Network, splits: Sequence[Split]) -> None:
        self.network = network
        self.parts = [_Recorded(network, split) for split in splits]

    def __call__(self, network: Network, rows: Sequence[int], members: Sequence[int]) -> Tensor:
        Q, given = self.network.members, len(rows)
        filled = [*rows, *[rows[0]] * (Q - given)]
        who = [*members, *[members[0]] * (Q - given)]
        self.network.put(range(Q), network, filled)
        return torch.cat([part(who) for part in self.parts], 1)[:given]


class _Recorded:
    """One split: a recorded batch that counts itself."""

    def __init__(self, network: Network, split: Split) -> None:
        self.network, self.split = network, split
        Q, device = network.members, network.device
        examples = _examples(split, device)
        self.batches = -(-len(examples) // EVALUATION_BATCH)
        self.which = torch.full((self.batches * EVALUATION_BATCH,), -1, device=device)
        self.which[: len(examples)] = examples
        self.columns = torch.arange(EVALUATION_BATCH, device=device)
        self.source = torch.zeros(Q, dtype=torch.int64, device=device)
        self.cursor = torch.zeros(1, dtype=torch.int64, device=device)
        self.found = torch.zeros(Q, self.batches + 4, 5, device=device)
        self.replay: Replay | None = None

    def __call__(self, members: Sequence[int]) -> Tensor:
        self.source.copy_(torch.tensor([self.split.source[m] for m in members]))
        if self.replay is None:
            self.replay = Replay(self._batch, self.network.device, lambda: None)
        self.cursor.zero_()
        for _ in range(self.batches):
            self.replay()
        return summary(self.found[:, : self.batches])

    def _batch(self) -> None:
        at = (self.cursor % self.batches) * EVALUATION_BATCH + self.columns
        which = self.which[at].expand(len(self.source), -1)
        inputs, targets = self.split.take(self.source, which)
        losses, found = self.network.engine.score(inputs, targets, self.split.positions)
        words = self.network.model.config.vocab_size
        scores = batch_scores(losses, found, targets, words)
        self.found.index_copy_(1, self.cursor, scores.unsqueeze(1))
        self.cursor += 1
