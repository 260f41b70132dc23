"""Trains what a store lacks of a plan, beside other processes that may do the same."""

import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from itertools import chain
from typing import cast

from archer.mad.plan import Plan, Population
from archer.mad.runner import Event, run
from archer.store.resume import remaining
from archer.store.run import ENDED, Run
from archer.store.store import Store

POLL_SECONDS = 1.0
Watch = Callable[[Plan], AbstractContextManager[Callable[[Event], None]]]


def train_missing(
    plan: Plan,
    store: Store,
    device: str,
    workers: int | None,
    watch: Watch,
    say: Callable[[str], None],
) -> dict[str, str]:
    """Train what has not ended; every population is stored as it ends.

    Waits for trials that another process holds, and takes them over if it dies. Returns the
    reasons of those that failed, by trial id. Raises ArcherError if the store cannot be used; on
    that, on Ctrl-C and on a crash only what was still running is lost.
    """
    failures: dict[str, str] = {}
    told = False
    with store.begin(plan, device) as run:
        say(_found(plan, store))
        while populations := remaining(plan, store, skip=failures):
            if _round(plan, populations, run, device, workers, watch, failures):
                continue
            if not told:
                members = sum(len(population.trials) for population in populations)
                say(f"waiting for {members} trials that another process is training")
            told = True
            time.sleep(POLL_SECONDS)
    return failures


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


def _round(
    plan: Plan,
    populations: tuple[Population, ...],
    run: Run,
    device: str,
    workers: int | None,
    watch: Watch,
    failures: dict[str, str],
) -> bool:
    """Train those of the populations that are free; whether any was."""
    with closing(_events(populations, device, workers, run)) as events:
        if (first := next(events, None)) is None:
            return False
        with watch(replace(plan, populations=populations)) as show:
            for event in chain([first], events):
                _store(event, populations[event.index], run, failures)
                show(event)
    return True


def _store(event: Event, population: Population, run: Run, failures: dict[str, str]) -> None:
    ids = [trial.id for trial in population.trials]
    if event.kind == "failed":
        run.fail(ids, event.reason)
        failures |= dict.fromkeys(ids, event.reason)
    elif event.kind == "results":
        run.finish(dict(zip(ids, event.results, strict=True)))


def _events(
    populations: Sequence[Population], device: str, workers: int | None, holder: Run
) -> Generator[Event, None, None]:
    """Events of what could be claimed.

    A GPU's populations follow each other, and each is claimed when its turn comes: so the GPUs of
    a machine, with a process each, share the work. A processor's workers have them all at once.
    """
    every = list(range(len(populations)))
    for batch in [every] if device == "cpu" else [[index] for index in every]:
        mine = [index for index in batch if holder.claim(populations[index])]
        if mine:
            events = run([populations[i] for i in mine], device, workers)
            with closing(cast(Generator[Event, None, None], events)):  # ends its workers
                for event in events:
                    yield replace(event, index=mine[event.index])
