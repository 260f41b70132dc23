"""The course of a population's training: who trains, who waits, what becomes of whom.

Legend: P members, M numbers per member, B batch, T length.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace

import torch

from archer.model.backbone import Backbone
from archer.model.members import extract
from archer.train.checkpoint import Checkpoints, State, member_state
from archer.train.course import Course, epoch_metrics
from archer.train.data import MemberData, Split, epoch_order
from archer.train.network import Network
from archer.train.reading import read
from archer.train.regime import Member, Regime
from archer.train.results import MemberResult, PopulationResult, Progress
from archer.train.running import Running
from archer.train.scorer import Scorer
from archer.train.width import scored_at_once

BATCHES_AHEAD = 32  # that a GPU is given before the clock is looked at again


class StoppedError(Exception):
    """The training was asked to stop; what it has reached is in its checkpoints."""


class Trainer:
    """Who trains, who waits, the best parameters so far, the results."""

    def __init__(
        self,
        store: Network,
        members: Sequence[Member],
        data: Sequence[MemberData],
        regime: Regime,
        device: torch.device,
        checkpoints: Checkpoints | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> None:
        self.store, self.members, self.regime, self.device = store, members, regime, device
        self.checkpoints, self.stop = checkpoints, stop
        self.train, *self.held_out = (
            Split([getattr(each, name) for each in data], device)
            for name in ("train", "validation", "test")
        )
        size = regime.batch_size
        self.courses = [Course(math.ceil(n / size)) for n in self.train.examples]
        self.best = store.flat.values.clone().to(device)
        self.began, self.rate = time.perf_counter(), 0.0

    def begin(self, width: int, ended: Collection[int] = ()) -> None:
        """Seats the first members; on a CPU there are as many seats as if none had ended."""
        left = [member for member in range(len(self.members)) if member not in ended]
        self.left = [self.courses[member] for member in left]
        width = min(width, len(self.members if self.device.type == "cpu" else left))
        alone = width == len(self.members) and self.device == self.store.device
        network = self.store if alone else self.store.resized(width, self.device)
        self.running = Running(network, self.train, self.regime.batch_size)
        recipe = self.store.model.recipe
        tokens = scored_at_once(recipe.rule, recipe.config, recipe.chunk_size)
        self.scorer = Scorer(self.held_out, self.device, width, tokens)
        self.waiting = deque(left)
        if self.checkpoints and not alone:  # who has begun goes on first
            self.waiting = deque(sorted(left, key=self.checkpoints.has, reverse=True))
        for row in left if alone else range(min(width, len(left))):
            self._seat(row)

    def round(self, compact: float) -> list[tuple[int, MemberResult]]:
        """Trains until somebody ends an epoch; scores, judges and replaces who does.

        Returns the members that have ended, with their results.
        """
        began = time.perf_counter()
        rows = self.running.occupied()
        tokens = self._catch_up(rows, began)
        tokens += self._advance(rows, min(self._course(row).left for row in rows), began)
        enders = [row for row in rows if not self._course(row).left]
        losses = [self.running.epoch_losses(row, self._course(row).batches) for row in enders]
        who = [self._member(row) for row in enders]
        scores = self.scorer.score(self.running.network, enders, who)
        self._foresee(enders)
        table = torch.cat([torch.stack(losses).unsqueeze(1), scores], 1).tolist()  # the one wait
        seconds = time.perf_counter() - began
        self.rate = tokens / seconds
        for row in rows:
            self._course(row).result.seconds += seconds / len(rows)
        over = self._judge_all(enders, table)
        if not self.waiting:
            self._close_ranks(compact)
        return [(member, self.courses[member].result) for member in over]

    def progress(self) -> Progress:
        """Where the training stands."""
        total, done, epochs = 0, 0, self.regime.epochs
        for course in self.left:
            total += epochs * course.batches
            done += epochs * course.batches if course.ended else course.result.steps
        return Progress(
            epoch=max(len(course.result.history) for course in self.left),
            epochs=epochs,
            step=done // len(self.left),
            steps=total // len(self.left),
            active=sum(not each.ended or each.result.status == "finished" for each in self.left),
            members=len(self.left),
            seconds=time.perf_counter() - self.began,
            tokens_per_s=self.rate,
            seated=len(self.running.occupied()),
        )

    def has_best(self, member: int) -> bool:
        """Whether the parameters of its best epoch are there, if it has one.

        They are not where a checkpoint of another protocol's was taken up and no later epoch is
        better: its best parameters are of another epoch.
        """
        course = self.courses[member]
        return course.kept == course.result.best_epoch

    def module(self, member: int) -> Backbone:
        """A member that has ended, at its best checkpoint, as an ordinary module on the CPU."""
        self.store.flat.values[member] = self.best[member].to(self.store.device)
        return extract(self.store.model, member)

    def result(self) -> PopulationResult:
        """What the training gives back."""
        self.store.flat.values.copy_(self.best)
        lost = frozenset(i for i in range(len(self.courses)) if not self.has_best(i))
        return PopulationResult([each.result for each in self.courses], self.store.model, lost)

    def _catch_up(self, rows: list[int], began: float) -> int:
        """After a resumption on a CPU: brings members of one length abreast; how many tokens.

        Else a member's last, smaller batch of an epoch would be trained at the width of another's
        full one, and width takes part in rounding.
        """
        tokens = 0
        if self.device.type != "cpu" or len({self._course(row).batches for row in rows}) > 1:
            return tokens
        while len(places := sorted({self._course(row).done for row in rows})) > 1:
            behind = [row for row in rows if self._course(row).done == places[0]]
            with self.running.still([row for row in rows if row not in behind]):
                tokens += self._advance(behind, places[1] - places[0], began)
        return tokens

    def _advance(self, rows: list[int], batches: int, began: float) -> int:
        """Some batches of these rows, none beyond its epoch; how many tokens they were."""
        before = sum(self._examples_left(row) for row in rows)
        for batch in range(batches):
            self.running.advance(max(self._examples_left(row) for row in rows))
            for row in rows:
                self._course(row).done += 1
            self._look_up(batch, rows, began)
        examples = before - sum(self._examples_left(row) for row in rows)
        return examples * int(self.train.length)

    def _look_up(self, batch: int, rows: list[int], began: float) -> None:
        """Between batches: is it time for checkpoints, or to stop?"""
        if self.device.type == "cuda" and (self.stop or self.checkpoints):
            if batch % BATCHES_AHEAD:
                return
            torch.cuda.synchronize(self.device)  # else it is told of batches long before they run
        stopped = self.stop is not None and self.stop()
        if self.checkpoints and (stopped or self.checkpoints.due()):
            share = (time.perf_counter() - began) / len(rows)
            self.checkpoints.write(self._states(rows, share))
        if stopped:
            raise StoppedError

    def _states(self, rows: list[int], seconds: float) -> dict[int, State]:
        """What the members in these rows need to go on. seconds: of each, not yet in its result."""
        who = [self._member(row) for row in rows]
        tensors = {**self.running.snapshot(rows), "best": self.best[who].cpu()}
        states = {}
        for place, member in enumerate(who):
            course = self.courses[member]
            result = replace(course.result, seconds=course.result.seconds + seconds)
            at = course.epoch, course.done, result
            states[member] = member_state(*at, place, tensors, course.kept)
        return states

    def _judge_all(self, rows: Sequence[int], table: list[list[float]]) -> list[int]:
        """Judges who has ended an epoch; returns the members that have ended."""
        improved, ended = [], []
        for row, line in zip(rows, table, strict=True):
            course = self._course(row)
            if course.end_epoch(epoch_metrics(course.epoch, line), self.regime):
                improved.append(row)
            if course.ended:
                ended.append(row)
        who = [self._member(row) for row in improved]
        self.best[who] = self.running.network.flat.values[improved]
        self._read_learned(ended)
        over = [self._member(row) for row in ended]
        for row in rows:
            if not self._course(row).ended:
                self._next_epoch(row)
                continue
            self.running.leave(row)
            if self.waiting:
                self._seat(row)
        return over

    def _read_learned(self, rows: Sequence[int]) -> None:
        """Learned knobs of members that end, off their last parameters."""
        if not rows:
            return
        for name, values in self.running.network.model.learned_knobs().items():
            for row, layers in zip(rows, values[list(rows)].tolist(), strict=True):
                self._course(row).result.learned[name] = layers

    def _seat(self, row: int) -> None:
        member = self.waiting.popleft()
        who, course = self.members[member], self.courses[member]
        self.running.seat(row, member, self.store, who.lr, who.weight_decay)
        numbers = self.store.flat.values.shape[1]
        state = self.checkpoints.read(member, numbers) if self.checkpoints else None
        if state:
            course.epoch, course.done, course.kept = state.epoch, state.done, state.best
            reading = read(state.result, self.regime.select, self.regime.stop_accuracy)
            course.result = replace(state.result, best_epoch=reading.best_epoch)
            self.running.restore(row, state.tensors)
            self.best[member] = state.tensors["best"].to(self.device)
        self._start(row, member)

    def _next_epoch(self, row: int) -> None:
        course = self._course(row)
        course.epoch, course.done = course.epoch + 1, 0
        self._start(row, self._member(row))

    def _start(self, row: int, member: int) -> None:
        stream, course = self.members[member].stream, self.courses[member]
        order = epoch_order(stream, course.epoch, self.train.examples[member])
        self.running.begin_epoch(row, order, course.done)

    def _foresee(self, rows: Sequence[int]) -> None:
        """Draws the next orders while the device is still busy."""
        for row in rows:
            member = self._member(row)
            epoch = self.courses[member].epoch + 1
            epoch_order(self.members[member].stream, epoch, self.train.examples[member])

    def _close_ranks(self, compact: float) -> None:
        taken, places = len(self.running.occupied()), self.running.network.members
        if 0 < taken < places and taken <= compact * places:
            self.running = self.running.narrowed()

    def _member(self, row: int) -> int:
        member = self.running.members[row]
        assert member is not None
        return member

    def _course(self, row: int) -> Course:
        return self.courses[self._member(row)]

    def _examples_left(self, row: int) -> int:
        done = self._course(row).done * self.regime.batch_size
        return max(0, self.train.examples[self._member(row)] - done)
