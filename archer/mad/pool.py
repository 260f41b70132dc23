"""Worker processes that train populations, and what they say happened."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from archer.errors import one_line
from archer.mad.plan import Population
from archer.mad.room import Room, Want
from archer.mad.work import Keep
from archer.train.results import MemberResult, Progress, result_from_json

# glibc: keep freed memory instead of returning it to the system at every step (5 to 8 % faster)
MEMORY_KEPT = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "8000000000"}

OVER = ("results", "failed")
ALL = Want(None, 0)
PATIENCE = 10.0  # seconds that what is told to end has to leave its checkpoints


@dataclass(frozen=True)
class Event:
    """What happened to population `index`: it began, advanced, is done, or failed.

    ended: members that have just ended, by their place in the population, with their results.
    results: of a population that is done, all that were trained, in order: they were all in some
    event of kind "ended" before. A population that failed keeps what has ended.
    """

    index: int
    worker: int
    kind: str  # "began" | "progress" | "ended" | "results" | "failed"
    progress: Progress | None = None
    results: tuple[MemberResult, ...] = ()
    reason: str = ""
    ended: tuple[tuple[int, MemberResult], ...] = ()


class Pool:
    """Worker processes, each with a thread here that hands it work and reads its answers.

    The longest populations are trained first, or in their order. A worker for whom none is left
    ends, and gives its memory back. room: memory that they share; without it all members of a
    population train at a time, or on a GPU as many as fit.
    """

    def __init__(
        self,
        populations: Sequence[Population],
        device: str,
        threads: int,
        keep: Keep,
        in_order: bool = False,
        room: Room | None = None,
    ) -> None:
        self.total, self.keep, self.room = len(populations), keep, room
        self.waiting: queue.SimpleQueue[tuple[int, Population, Want]] = queue.SimpleQueue()
        for index, population in (
            enumerate(populations) if in_order else _longest_first(populations)
        ):
            # here: a thread that is within torch when the program ends takes it down with a signal
            want = ALL if room is None else room.want(population)
            self.waiting.put((index, population, want))
        self.answers: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self.start = partial(_start, device, threads)
        self.lock, self.closed = threading.Lock(), False
        self.processes: list[subprocess.Popen[str]] = []

    def open(self, workers: int) -> None:
        for _ in range(workers):
            self.processes.append(self.start())
        for worker in range(workers):
            threading.Thread(target=self._feed, args=(worker,), daemon=True).start()

    def events(self) -> Iterator[Event]:
        ended = 0
        while ended < self.total:
            event = self.answers.get()
            ended += event.kind in OVER
            yield event

    def close(self) -> None:
        with self.lock:
            self.closed = True
        try:
            for process in self.processes:
                process.terminate()
            until = time.monotonic() + PATIENCE
            for process in self.processes:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, until - time.monotonic()))
        finally:  # also if Ctrl-C comes again
            for process in self.processes:
                process.kill()
                process.wait()
                _close_pipes(process)

    def _feed(self, worker: int) -> None:
        while True:
            try:
                index, population, want = self.waiting.get_nowait()
            except queue.Empty:
                self._dismiss(worker)
                return
            with nullcontext() if self.room is None else self.room.held(want):
                self.answers.put(Event(index, worker, "began"))
                try:
                    event = self._train(index, worker, population, want.members)
                except Exception as error:  # else nobody would ever hear of this population again
                    event = Event(index, worker, "failed", reason=f"worker lost: {one_line(error)}")
                    self.processes[worker].kill()
                    self.processes[worker].wait()
            self.answers.put(event)

    def _dismiss(self, worker: int) -> None:
        """A worker ends when its stdin closes."""
        with self.lock:
            pipe = self.processes[worker].stdin
            if pipe and not self.closed:
                with contextlib.suppress(OSError):  # it is dead already
                    pipe.close()

    def _living(self, worker: int) -> subprocess.Popen[str]:
        """The worker's process, started anew if it has died."""
        with self.lock:
            if self.processes[worker].poll() is not None and not self.closed:
                _close_pipes(self.processes[worker])
                self.processes[worker] = self.start()
            return self.processes[worker]

    def _train(self, index: int, worker: int, population: Population, members: int | None) -> Event:
        """Hand over one population and pass its progress on until it ends."""
        process = self._living(worker)
        assert process.stdin is not None
        assert process.stdout is not None
        task = {
            "population": population.to_json(),
            "keep": asdict(self.keep),
            "at_a_time": members,
        }
        with contextlib.suppress(BrokenPipeError):  # it is dead: told below, with its exit code
            process.stdin.write(json.dumps(task) + "\n")
            process.stdin.flush()
        results: dict[int, MemberResult] = {}
        for line in process.stdout:
            if not line.endswith("\n"):
                break  # it died in the middle of a word
            answer: dict[str, Any] = json.loads(line)
            if "progress" in answer:
                progress = Progress(**answer["progress"])
                self.answers.put(Event(index, worker, "progress", progress))
            elif "ended" in answer:
                ended = tuple((member, result_from_json(each)) for member, each in answer["ended"])
                results |= dict(ended)
                self.answers.put(Event(index, worker, "ended", ended=ended))
            elif "done" in answer:
                in_order = tuple(results[member] for member in sorted(results))
                return Event(index, worker, "results", results=in_order)
            else:
                return Event(index, worker, "failed", reason=answer["error"])
        return Event(index, worker, "failed", reason=f"worker process {_ending(process.wait())}")


def _close_pipes(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe:
            with contextlib.suppress(OSError):  # what a dead worker never read
                pipe.close()


def _ending(code: int) -> str:
    if code == -signal.SIGKILL:
        return "was killed, perhaps for want of memory"
    return f"ended with code {code}"


def _longest_first(populations: Sequence[Population]) -> list[tuple[int, Population]]:
    """So that workers finish together."""
    return sorted(enumerate(populations), key=lambda item: -item[1].training_tokens)


def _start(device: str, threads: int) -> subprocess.Popen[str]:
    environment = MEMORY_KEPT | os.environ
    environment |= {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    return subprocess.Popen(
        [sys.executable, "-m", "archer.mad.worker", device, str(threads)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        process_group=0,  # Ctrl-C is for this process, which then ends its workers
    )
