"""The members that train side by side right now: their state on the device, one step for all.

Members sit in rows. A row whose member has ended is inactive until another member takes it; with
nobody waiting, the running members can move together into fewer rows.
Legend: P rows, B batch, n examples, M numbers per member.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from archer.train.data import Split
from archer.train.network import Network
from archer.train.optimizer import AdamW
from archer.train.replay import Replay


class Running:
    """P rows and the step that advances every active one by a batch.

    order: [P, n] examples in the order of the member's present epoch, -1 behind its end. cursor:
    [P] batches done in the epoch. losses: [P, batches] of the epoch.
    On a GPU the step is recorded; all it reads and writes stays in place.
    """

    def __init__(self, network: Network, train: Split, batch_size: int) -> None:
        P, device = network.members, network.device
        self.network, self.train, self.batch_size = network, train, batch_size
        self.optimizer = AdamW(network.flat, [0.0] * P, [0.0] * P)
        most = math.ceil(max(train.examples) / batch_size)
        # one batch more than the longest epoch: inactive rows may stand at its end
        places = (most + 1) * batch_size
        self.order = torch.full((P, places), -1, dtype=torch.int64, device=device)
        self.cursor = torch.zeros(P, dtype=torch.int64, device=device)
        self.source = torch.zeros(P, dtype=torch.int64, device=device)
        self.active = torch.zeros(P, dtype=torch.bool, device=device)
        self.losses = torch.zeros(P, most + 1, device=device)
        self.columns = torch.arange(batch_size, device=device)
        self.members: list[int | None] = [None] * P
        self.step: Replay | None = None

    def seat(self, row: int, member: int, store: Network, lr: float, weight_decay: float) -> None:
        """A member takes a row, with its values from the store."""
        if self.network is not store:
            self.network.put([row], store, [member])
        self.optimizer.restart(row, lr, weight_decay)
        self.source[row] = self.train.source[member]
        self.active[row] = True
        self.members[row] = member

    def leave(self, row: int) -> None:
        """The member in this row has ended."""
        self.active[row] = False
        self.cursor[row] = 0
        self.members[row] = None

    def begin_epoch(self, row: int, order: Tensor, done: int = 0) -> None:
        """order: [n], the member's examples; done: batches of it that are behind the member."""
        line = torch.full((self.order.shape[1],), -1)
        line[: len(order)] = order
        self.order[row] = line.to(self.order.device)
        self.cursor[row] = done

    def snapshot(self, rows: Sequence[int]) -> dict[str, Tensor]:
        """On the CPU, what `restore` needs of these rows: [rows, ...] each."""
        at = list(rows)
        return {name: tensor[at].cpu() for name, tensor in self._saved().items()}

    def restore(self, row: int, saved: Mapping[str, Tensor]) -> None:
        """Puts a member's own row of a snapshot, its losses cut to those of the epoch so far."""
        for name, tensor in self._saved().items():
            mine = saved[name].to(tensor.device)
            if name == "losses":
                tensor[row, : len(mine)] = mine
            else:
                tensor[row] = mine.view(tensor[row].shape)
        if self.network.flat.low is not None:
            self.network.flat.low[row] = self.network.flat.values[row].bfloat16()

    def _saved(self) -> dict[str, Tensor]:
        values, optimizer = self.network.flat.values, self.optimizer
        moments = {"mean": optimizer.mean, "square": optimizer.square}
        return {"values": values, **moments, "steps": optimizer.steps, "losses": self.losses}

    @contextmanager
    def still(self, rows: Sequence[int]) -> Iterator[None]:
        """Inside, these rows stay as they are while others advance."""
        at = list(rows)
        if not at:
            yield
            return
        # on a CPU the optimizer moves the moments of inactive rows too
        moments = self.optimizer.mean, self.optimizer.square
        kept = [moment[at] for moment in moments]
        self.active[at] = False
        try:
            yield
        finally:
            self.active[at] = True
            for moment, rows_of in zip(moments, kept, strict=True):
                moment[at] = rows_of

    def occupied(self) -> list[int]:
        """Rows with a member."""
        return [row for row, member in enumerate(self.members) if member is not None]

    def advance(self, widest: int) -> None:
        """One batch for every active row; widest: most examples any of them has left in it."""
        if self.network.device.type != "cuda":
            self._step(min(widest, self.batch_size))
            return
        if self.step is None:
            self._record()
        assert self.step is not None
        self.step()

    def epoch_losses(self, row: int, batches: int) -> Tensor:
        """Mean loss of the row's epoch so far."""
        return self.losses[row, :batches].mean()

    def narrowed(self) -> "Running":
        """The occupied rows alone, as they are."""
        self.step = None  # a recording holds the memory of a whole step
        rows = self.occupied()
        at = torch.tensor(rows, device=self.network.device)
        network = self.network.resized(len(rows), self.network.device)
        network.put(range(len(rows)), self.network, rows)
        other = Running(network, self.train, self.batch_size)
        for mine, theirs in zip(other._state(), self._state(), strict=True):
            mine.copy_(theirs[at])
        other.members = [self.members[row] for row in rows]
        return other

    def _state(self) -> list[Tensor]:
        """Everything with a row per member, beside the network's."""
        moments = self.optimizer.mean, self.optimizer.square
        numbers = self.optimizer.steps, self.optimizer.lr, self.optimizer.weight_decay
        return [
            *moments, *numbers, self.order, self.cursor, self.source, self.active, self.losses,
        ]  # fmt: skip

    def _step(self, width: int) -> None:
        first = (self.cursor * self.batch_size).unsqueeze(-1)
        which = self.order.gather(1, first + self.columns[:width])
        inputs, targets = self.train.take(self.source, which)
        losses = self.network.engine.train(inputs, targets, self.train.positions)
        self.losses.scatter_(1, self.cursor.unsqueeze(-1), losses.unsqueeze(-1))
        self.optimizer.step(self.active)
        self.cursor += self.active

    def _record(self) -> None:
        """Records the step; the calls this takes are made with every row inactive."""
        active, losses = self.active.clone(), self.losses.clone()
        self.active.zero_()

        def ready() -> None:
            self.active.copy_(active)
            self.losses.copy_(losses)

        self.step = Replay(lambda: self._step(self.batch_size), self.network.device, ready)
