"""Runs populations on worker processes (processor) or in this process (GPU)."""

import os
import queue
import threading
from collections.abc import Iterator, Sequence

from archer.errors import ArcherError, one_line
from archer.mad.plan import Population
from archer.mad.pool import OVER, PATIENCE, Event, Pool
from archer.mad.room import Room
from archer.mad.work import NOTHING, Keep, train
from archer.train.population import Ended, StoppedError
from archer.train.results import Progress

__all__ = ["Event", "run", "thread_count", "worker_count"]


def run(
    populations: Sequence[Population],
    device: str,
    workers: int | None = None,
    *,
    threads: int | None = None,
    keep: Keep = NOTHING,
) -> Iterator[Event]:
    """Train every population and yield events as they happen.

    On a processor each worker is a process of its own (default: one per core) with so many threads
    (default: an even share of the cores; they take part in rounding), and trains as many members at
    a time as the memory has room for (`Room`); on a GPU populations follow
    each other in this process. Closing the iterator, an exception or Ctrl-C ends the workers; what
    they train then leaves its checkpoints, if that takes no more than some seconds.
    """
    if device != "cpu":
        yield from _run_here(populations, device, keep)
        return
    workers = worker_count(populations, workers)
    room = Room(workers)
    pool = Pool(populations, device, threads or thread_count(workers), keep, room=room)
    try:
        pool.open(workers)
        yield from pool.events()
    finally:
        pool.close()


def worker_count(populations: Sequence[Population], wanted: int | None = None) -> int:
    """Processes to use on a processor: as wanted, else one per core; no more than there is work.

    Raises ArcherError for fewer than one.
    """
    if wanted is not None and wanted < 1:
        raise ArcherError(f"--workers {wanted}: at least one is needed")
    return min(wanted or _cores(), len(populations))


def thread_count(workers: int) -> int:
    """Threads of each of so many workers: an even share of the cores."""
    return max(1, _cores() // workers)


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _run_here(
    populations: Sequence[Population], device: str, keep: Keep = NOTHING
) -> Iterator[Event]:
    """One population after the other, each in a thread so that its progress is seen at once."""
    for index, population in enumerate(populations):
        events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        stop = threading.Event()
        arguments = index, population, device, events, stop, keep
        thread = threading.Thread(target=_train_here, args=arguments, daemon=True)
        thread.start()
        yield Event(index, 0, "began")
        try:
            while (event := events.get()).kind not in OVER:
                yield event
        finally:
            stop.set()
            thread.join(PATIENCE)
        yield event


def _train_here(
    index: int,
    population: Population,
    device: str,
    events: "queue.SimpleQueue[Event]",
    stop: threading.Event,
    keep: Keep,
) -> None:
    def show(progress: Progress) -> None:
        events.put(Event(index, 0, "progress", progress))

    def tell(ended: Ended) -> None:
        events.put(Event(index, 0, "ended", ended=tuple(ended)))

    try:
        results = train(population, device, show, on_end=tell, stop=stop.is_set, keep=keep)
        events.put(Event(index, 0, "results", results=tuple(results)))
    except StoppedError:
        pass  # nobody waits for this population any more
    except Exception as error:
        events.put(Event(index, 0, "failed", reason=one_line(error)))
