"""Trains what a store lacks of a plan, beside other processes that may do the same."""

import math
import os
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import cast

from archer.errors import ArcherError
from archer.mad.plan import Plan, Population
from archer.mad.runner import Event, run, thread_count, worker_count
from archer.mad.warm import warming
from archer.mad.work import NOTHING, Keep
from archer.store.resume import remaining
from archer.store.run import ENDED, Run
from archer.store.store import Store
from archer.train import checkpoint
from archer.train.checkpoint import SECONDS

POLL_SECONDS = 1.0
Watch = Callable[[Plan], AbstractContextManager[Callable[[Event], None]]]


def train_missing(
    plan: Plan,
    store: Store,
    device: str,
    workers: int | None,
    watch: Watch,
    say: Callable[[str], None],
    keep: Keep = NOTHING,
) -> dict[str, str]:
    """Train what has not ended; every trial is stored as it ends.

    Waits for trials that another process holds, and takes them over if it dies. Returns the
    reasons of those that failed, by trial id. Raises ArcherError if the store cannot be used; on
    that, on Ctrl-C and on a crash nothing is lost but what `keep` has no checkpoint of.
    """
    failures: dict[str, str] = {}
    told = False
    # of the whole plan: were it of what is left, resuming might round otherwise
    threads = thread_count(worker_count(plan.populations, workers)) if device == "cpu" else None
    _forget(store, keep)
    with store.begin(plan, device) as run:
        say(_found(plan, store))
        while populations := remaining(plan, store, skip=failures):
            training = _Training(populations, run, keep, failures)
            if training.round(plan, device, workers, threads, watch):
                continue
            if not told:
                members = sum(len(population.left) for population in populations)
                say(f"waiting for {members} trials that another process is training")
            told = True
            time.sleep(POLL_SECONDS)
    if keep.checkpoints is not None:
        checkpoint.close(Path(keep.checkpoints))
    return failures


def checkpoint_seconds() -> float:
    """ARCHER_CHECKPOINT_SECONDS, or a minute. Raises ArcherError for what is no such number."""
    text = os.environ.get("ARCHER_CHECKPOINT_SECONDS", str(SECONDS))
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise ArcherError(f"ARCHER_CHECKPOINT_SECONDS={text}: give seconds, as in 60")
    return seconds


def _forget(store: Store, keep: Keep) -> None:
    """Checkpoints that a process left which was killed after their trials had been stored."""
    if keep.checkpoints is None:
        return
    folder = Path(keep.checkpoints)
    for id, (state, _) in store.states(checkpoint.kept(folder)).items():
        if state in ENDED:
            checkpoint.remove(folder, id)


def kept(plan: Plan, store: Store) -> str:
    """For who stops a benchmark: what was not in vain."""
    done, total = _ended(plan, store)
    return f"{done} of {total} trials are kept in {store.where}; the same command continues"


def _found(plan: Plan, store: Store) -> str:
    done, total = _ended(plan, store)
    return f"{done} of {total} trials found in {store.where}" if done else ""


def _ended(plan: Plan, store: Store) -> tuple[int, int]:
    ids = {row.trial.id for row in plan.rows}
    return sum(s in ENDED for s, _ in store.states(sorted(ids)).values()), len(ids)


class _Training:
    """What is left of a plan, on its way into the store."""

    def __init__(
        self,
        populations: tuple[Population, ...],
        run: Run,
        keep: Keep,
        failures: dict[str, str],
    ) -> None:
        self.populations, self.run, self.keep, self.failures = populations, run, keep, failures

    def round(
        self, plan: Plan, device: str, workers: int | None, threads: int | None, watch: Watch
    ) -> bool:
        """Train those of the populations that are free; whether any was."""
        with closing(self._events(device, workers, threads)) as events:
            if (first := next(events, None)) is None:
                return False
            shown = replace(plan, populations=self.populations)
            with watch(shown) as show, warming(self.populations, device):
                for event in chain([first], events):
                    self._store(event)
                    show(event)
        return True

    def _store(self, event: Event) -> None:
        trials = self.populations[event.index].trials
        if event.kind == "ended":
            results = {trials[place].id: result for place, result in event.ended}
            for id in self.run.finish(results):  # another's checkpoint is not ours to remove
                self._forget(id)
        elif event.kind == "failed":
            for id in self.run.fail([trial.id for trial in trials], event.reason):
                self.failures[id] = event.reason

    def _forget(self, id: str) -> None:
        if self.keep.checkpoints is not None:
            checkpoint.remove(Path(self.keep.checkpoints), id)

    def _events(
        self, device: str, workers: int | None, threads: int | None
    ) -> Generator[Event, None, None]:
        """Events of what could be claimed.

        A GPU's populations follow each other, and each is claimed when its turn comes: so the GPUs
        of a machine, with a process each, share the work. A processor's workers have them all.
        """
        every = list(range(len(self.populations)))
        for batch in [every] if device == "cpu" else [[index] for index in every]:
            mine = [index for index in batch if self.run.claim(self.populations[index])]
            if mine:
                chosen = [self.populations[i] for i in mine]
                events = run(chosen, device, workers, threads=threads, keep=self.keep)
                with closing(cast(Generator[Event, None, None], events)):  # ends its workers
                    for event in events:
                        yield replace(event, index=mine[event.index])
