"""The course of a population's training: batches, epochs, and what becomes of whom.

Legend: P members, M numbers per member, B batch, T length.
"""

import math
import time
from collections.abc import Callable, Collection, Sequence

import torch

from archer.model.backbone import Backbone
from archer.model.members import extract
from archer.train.checkpoint import Checkpoints
from archer.train.course import Course, epoch_metrics
from archer.train.data import MemberData, Split
from archer.train.network import Network
from archer.train.regime import Member, Regime
from archer.train.results import MemberResult, PopulationResult, Progress
from archer.train.running import Running
from archer.train.scorer import Scorer
from archer.train.seats import Seats
from archer.train.width import scored_at_once

BATCHES_AHEAD = 32  # that a GPU is given before the clock is looked at again


class StoppedError(Exception):
    """The training was asked to stop; what it has reached is in its checkpoints."""


class Trainer:
    """Trains who has a seat, scores who ends an epoch, and has the results."""

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
        self.store, self.regime, self.device = store, regime, device
        self.checkpoints, self.stop = checkpoints, stop
        self.train, *self.held_out = (
            Split([getattr(each, name) for each in data], device)
            for name in ("train", "validation", "test")
        )
        size = regime.batch_size
        self.courses = [Course(math.ceil(n / size)) for n in self.train.examples]
        self.seats = Seats(store, members, self.courses, self.train, regime, device, checkpoints)
        self.began, self.rate = time.perf_counter(), 0.0

    @property
    def running(self) -> Running:
        """The members that train right now."""
        return self.seats.running

    def begin(self, width: int, ended: Collection[int] = ()) -> None:
        """Seats the first members, `width` of them at the most and none that has ended."""
        self.seats.begin(width, ended)
        recipe = self.store.model.recipe
        tokens = scored_at_once(recipe.rule, recipe.config, recipe.chunk_size)
        places = self.running.network.members
        self.scorer = Scorer(self.held_out, self.device, places, tokens)

    def round(self, compact: float) -> list[tuple[int, MemberResult]]:
        """Trains until somebody ends an epoch; scores, judges and replaces who does.

        Returns the members that have ended, with their results.
        """
        began = time.perf_counter()
        seats, rows = self.seats, self.running.occupied()
        tokens = self._catch_up(rows, began)
        tokens += self._advance(rows, min(seats.course(row).left for row in rows), began)
        enders = [row for row in rows if not seats.course(row).left]
        losses = [self.running.epoch_losses(row, seats.course(row).batches) for row in enders]
        who = [seats.member(row) for row in enders]
        scores = self.scorer.score(self.running.network, enders, who)
        seats.foresee(enders)
        table = torch.cat([torch.stack(losses).unsqueeze(1), scores], 1).tolist()  # the one wait
        seconds = time.perf_counter() - began
        self.rate = tokens / seconds
        for row in rows:
            seats.course(row).result.seconds += seconds / len(rows)
        over = self._judge_all(enders, table)
        seats.close_ranks(compact)
        return [(member, self.courses[member].result) for member in over]

    def progress(self) -> Progress:
        """Where the training stands."""
        total, done, epochs, left = 0, 0, self.regime.epochs, self.seats.left
        for course in left:
            total += epochs * course.batches
            done += epochs * course.batches if course.ended else course.result.steps
        return Progress(
            epoch=max(len(course.result.history) for course in left),
            epochs=epochs,
            step=done // len(left),
            steps=total // len(left),
            active=sum(not each.ended or each.result.status == "finished" for each in left),
            members=len(left),
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
        self.store.flat.values[member] = self.seats.best[member].to(self.store.device)
        return extract(self.store.model, member)

    def result(self) -> PopulationResult:
        """What the training gives back."""
        self.store.flat.values.copy_(self.seats.best)
        lost = frozenset(i for i in range(len(self.courses)) if not self.has_best(i))
        return PopulationResult([each.result for each in self.courses], self.store.model, lost)

    def _catch_up(self, rows: list[int], began: float) -> int:
        """After a resumption on a CPU: brings members of one length abreast; how many tokens.

        Else a member's last, smaller batch of an epoch would be trained at the width of another's
        full one, and width takes part in rounding.
        """
        tokens, course = 0, self.seats.course
        if self.device.type != "cpu" or len({course(row).batches for row in rows}) > 1:
            return tokens
        while len(places := sorted({course(row).done for row in rows})) > 1:
            behind = [row for row in rows if course(row).done == places[0]]
            with self.running.still([row for row in rows if row not in behind]):
                tokens += self._advance(behind, places[1] - places[0], began)
        return tokens

    def _advance(self, rows: list[int], batches: int, began: float) -> int:
        """Some batches of these rows, none beyond its epoch; how many tokens they were."""
        before = sum(self.seats.examples_left(row) for row in rows)
        for batch in range(batches):
            self.running.advance(max(self.seats.examples_left(row) for row in rows))
            for row in rows:
                self.seats.course(row).done += 1
            self._look_up(batch, rows, began)
        examples = before - sum(self.seats.examples_left(row) for row in rows)
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
            self.checkpoints.write(self.seats.states(rows, share))
        if stopped:
            raise StoppedError

    def _judge_all(self, rows: Sequence[int], table: list[list[float]]) -> list[int]:
        """Judges who has ended an epoch; returns the members that have ended."""
        improved, ended = [], []
        for row, line in zip(rows, table, strict=True):
            course = self.seats.course(row)
            if course.end_epoch(epoch_metrics(course.epoch, line), self.regime):
                improved.append(row)
            if course.ended:
                ended.append(row)
        self.seats.keep_best(improved)
        self._read_learned(ended)
        over = [self.seats.member(row) for row in ended]
        for row in rows:
            self.seats.go_on(row)
        return over

    def _read_learned(self, rows: Sequence[int]) -> None:
        """Learned knobs of members that end, off their last parameters."""
        if not rows:
            return
        for name, values in self.running.network.model.learned_knobs().items():
            for row, layers in zip(rows, values[list(rows)].tolist(), strict=True):
                self.seats.course(row).result.learned[name] = layers
