"""Who trains and who waits: members, the rows they train in, and what they have reached.

Legend: P members, M numbers per member.
"""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from archer.train.checkpoint import Checkpoints, State, member_state
from archer.train.course import Course
from archer.train.data import Split, epoch_order
from archer.train.network import Network
from archer.train.reading import read
from archer.train.regime import Member, Regime
from archer.train.running import Running


class Seats:
    """Rows taken by members in turn, each taken up where its checkpoint has left it.

    store: every member's first values; courses: how far each is; best: [P, M], its best parameters
    so far, on the device where it trains.
    """

    def __init__(
        self,
        store: Network,
        members: Sequence[Member],
        courses: Sequence[Course],
        train: Split,
        regime: Regime,
        device: torch.device,
        checkpoints: Checkpoints | None,
    ) -> None:
        self.store, self.members, self.courses = store, members, courses
        self.train, self.regime, self.device = train, regime, device
        self.checkpoints = checkpoints
        self.best = store.flat.values.clone().to(device)

    def begin(self, width: int, ended: Collection[int]) -> None:
        """Seats the first members; on a CPU there are as many seats as if none had ended."""
        left = [member for member in range(len(self.members)) if member not in ended]
        self.left = [self.courses[member] for member in left]
        width = min(width, len(self.members if self.device.type == "cpu" else left))
        alone = width == len(self.members) and self.device == self.store.device
        network = self.store if alone else self.store.resized(width, self.device)
        self.running = Running(network, self.train, self.regime.batch_size)
        self.waiting = deque(left)
        if self.checkpoints and not alone:  # who has begun goes on first
            self.waiting = deque(sorted(left, key=self.checkpoints.has, reverse=True))
        for row in left if alone else range(min(width, len(left))):
            self._seat(row)

    def member(self, row: int) -> int:
        """Who trains in this row, which is taken."""
        member = self.running.members[row]
        assert member is not None
        return member

    def course(self, row: int) -> Course:
        """The course of who trains in this row."""
        return self.courses[self.member(row)]

    def examples_left(self, row: int) -> int:
        """Of the present epoch."""
        done = self.course(row).done * self.regime.batch_size
        return max(0, self.train.examples[self.member(row)] - done)

    def keep_best(self, rows: Sequence[int]) -> None:
        """The present parameters in these rows are the best so far."""
        who = [self.member(row) for row in rows]
        self.best[who] = self.running.network.flat.values[rows]

    def go_on(self, row: int) -> None:
        """Who has ended an epoch begins the next, or leaves the row to another."""
        course = self.course(row)
        if not course.ended:
            course.epoch, course.done = course.epoch + 1, 0
            self._start(row)
            return
        self.running.leave(row)
        if self.waiting:
            self._seat(row)

    def foresee(self, rows: Sequence[int]) -> None:
        """Draws the next orders while the device is still busy."""
        for row in rows:
            self._order(row, self.course(row).epoch + 1)

    def close_ranks(self, compact: float) -> None:
        """With nobody waiting, into fewer rows if no more than this share of them is taken."""
        taken, places = len(self.running.occupied()), self.running.network.members
        if not self.waiting and 0 < taken < places and taken <= compact * places:
            self.running = self.running.narrowed()

    def states(self, rows: Sequence[int], seconds: float) -> Mapping[int, State]:
        """What the members in these rows need to go on. seconds: of each, not yet in its result."""
        who = [self.member(row) for row in rows]
        tensors = {**self.running.snapshot(rows), "best": self.best[who].cpu()}
        states = {}
        for place, member in enumerate(who):
            course = self.courses[member]
            result = replace(course.result, seconds=course.result.seconds + seconds)
            at = course.epoch, course.done, result
            states[member] = member_state(*at, place, tensors, course.kept)
        return states

    def _seat(self, row: int) -> None:
        """The next in turn takes this row."""
        member = self.waiting.popleft()
        who = self.members[member]
        self.running.seat(row, member, self.store, who.lr, who.weight_decay)
        numbers = self.store.flat.values.shape[1]
        state = self.checkpoints.read(member, numbers) if self.checkpoints else None
        if state:
            self._take_up(row, state)
        self._start(row)

    def _take_up(self, row: int, state: State) -> None:
        member, course = self.member(row), self.course(row)
        course.epoch, course.done, course.kept = state.epoch, state.done, state.best
        reading = read(state.result, self.regime.select, self.regime.stop_accuracy)
        course.result = replace(state.result, best_epoch=reading.best_epoch)
        self.running.restore(row, state.tensors)
        self.best[member] = state.tensors["best"].to(self.device)

    def _start(self, row: int) -> None:
        course = self.course(row)
        self.running.begin_epoch(row, self._order(row, course.epoch), course.done)

    def _order(self, row: int, epoch: int) -> Tensor:
        member = self.member(row)
        return epoch_order(self.members[member].stream, epoch, self.train.examples[member])
