"""Evaluates members at the end of their epochs, on networks of its own where that is recorded.

Legend: Q members scored at a time, K batches at once, n examples, S scored positions, T length.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from archer.errors import ArcherError
from archer.rules.peer import Peer
from archer.train.data import Split
from archer.train.evaluate import EVALUATION_BATCH, batch_scores, summary
from archer.train.network import Network
from archer.train.replay import Replay

# Places of the networks that score on a GPU. Each size costs a recording and its memory, so there
# are few; with them any number of members finds places of which less than a quarter stay empty.
PLACES = (1, 2, 4, 8, 16)
WASTE = 0.25
# Batches join in one forward pass up to `scored_at_once` tokens and so many logits, half a gigabyte
# in bf16. One batch of all places may be twice as many tokens.
LOGITS = 1 << 28


class Scorer:
    """Scores rows of a network on some splits.

    On a CPU the network itself is evaluated; on a GPU rows are copied into Q of a scoring network,
    so that whoever ends an epoch is scored by the same few recordings.
    """

    def __init__(
        self, splits: Sequence[Split], device: torch.device, most: int, tokens: int
    ) -> None:
        self.splits, self.device, self.tokens = splits, device, tokens
        self.places = places(most, splits[0].length, tokens)
        self.apart: dict[int, Apart] = {}

    def score(self, network: Network, rows: Sequence[int], members: Sequence[int]) -> Tensor:
        """[rows, 4 * splits]: `summary` of each split. members: who they are, for their data."""
        if self.device.type != "cuda":
            everyone = list(range(network.members))
            who = dict(zip(rows, members, strict=True))
            data = [who.get(row, members[0]) for row in everyone]
            found = [score_split(network, split, data) for split in self.splits]
            return torch.cat(found, 1)[list(rows)]
        parts, done = [], 0
        for Q in portions(len(rows), self.places):
            if Q not in self.apart:
                self.apart[Q] = Apart(network.resized(Q, self.device), self.splits, self.tokens)
            here = slice(done, done + Q)
            parts.append(self.apart[Q](network, rows[here], members[here]))
            done += Q
        return torch.cat(parts)


def places(most: int, length: int, tokens: int) -> list[int]:
    """Sizes of the networks that score up to `most` members, from the smallest.

    A small population has a network of its own size beside the usual ones. tokens: of one pass.
    """
    fitting = [Q for Q in PLACES if Q * EVALUATION_BATCH * length <= 2 * tokens] or [PLACES[0]]
    return sorted({min(Q, most) for Q in fitting})


def portions(members: int, places: Sequence[int]) -> list[int]:
    """Places of the networks that score so many members, one after the other."""
    found: list[int] = []
    while (left := members - sum(found)) > 0:
        found.append([Q for Q in places if left > (1 - WASTE) * Q][-1])
    return found


def batches_at_once(Q: int, split: Split, words: int, most: int) -> int:
    """Batches of a split that one forward pass of Q members takes: a divisor of all there are.

    most: tokens of one pass.
    """
    batches = math.ceil(split.examples[0] / EVALUATION_BATCH)
    tokens = Q * EVALUATION_BATCH * split.length
    logits = Q * EVALUATION_BATCH * split.targets.shape[-1] * words
    room = min(most // tokens, LOGITS // logits)
    return max((K for K in range(1, room + 1) if batches % K == 0), default=1)


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


class Apart:
    """Q members' copies, and a recorded forward pass per split.

    A peer takes one batch at a time: nobody knows what memory its layer wants for more.
    """

    def __init__(self, network: Network, splits: Sequence[Split], tokens: int) -> None:
        self.network = network
        members, words = network.members, network.model.config.vocab_size
        peer = isinstance(network.model.recipe.rule, Peer)
        self.parts = [
            _Recorded(network, split, 1 if peer else batches_at_once(members, split, words, tokens))
            for split in splits
        ]

    def __call__(self, network: Network, rows: Sequence[int], members: Sequence[int]) -> Tensor:
        Q, given = self.network.members, len(rows)
        filled = [*rows, *[rows[0]] * (Q - given)]
        who = [*members, *[members[0]] * (Q - given)]
        self.network.put(range(Q), network, filled)
        return torch.cat([part(who) for part in self.parts], 1)[:given]


class _Recorded:
    """One split: K batches in a recorded forward pass that counts itself."""

    def __init__(self, network: Network, split: Split, at_once: int) -> None:
        self.network, self.split = network, split
        Q, device = network.members, network.device
        examples = _examples(split, device)
        self.passes = math.ceil(len(examples) / (EVALUATION_BATCH * at_once))
        which = torch.full((self.passes * at_once * EVALUATION_BATCH,), -1, device=device)
        which[: len(examples)] = examples
        self.which = which.view(self.passes, at_once, EVALUATION_BATCH)
        self.source = torch.zeros(Q, dtype=torch.int64, device=device)
        self.cursor = torch.zeros(1, dtype=torch.int64, device=device)
        self.found = torch.zeros(Q, self.passes, at_once, 5, device=device)
        self.replay: Replay | None = None

    def __call__(self, members: Sequence[int]) -> Tensor:
        self.source.copy_(torch.tensor([self.split.source[m] for m in members]))
        if self.replay is None:
            self.replay = Replay(self._pass, self.network.device, lambda: None)
        self.cursor.zero_()
        for _ in range(self.passes):
            self.replay()
        return summary(self.found.flatten(1, 2))

    def _pass(self) -> None:
        at = self.cursor % self.passes
        which = self.which[at].flatten().expand(len(self.source), -1)
        inputs, targets = self.split.take(self.source, which)
        targets = targets.view(len(targets), *self.which.shape[1:], -1)
        losses, found = self.network.engine.score(inputs, targets, self.split.positions)
        words = self.network.model.config.vocab_size
        scores = batch_scores(losses, found.view(targets.shape), targets, words)
        self.found.index_copy_(1, at, scores.unsqueeze(1))
        self.cursor += 1
