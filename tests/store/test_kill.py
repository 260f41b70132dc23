"""A benchmark that is killed at any moment, and goes on."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pytest
from safetensors import safe_open

from archer.store import STORE_FILE, open_store

KILLS = 10

# Runs a benchmark in a child for every folder it is given, and its worker in a child of that:
# importing takes longer than training. Of the worker all is as ever, but for the new interpreter.
# The last batch of an epoch is a quarter as wide as the first, and some members stop early.
SERVER = """
import gc, os, subprocess, sys, traceback
from dataclasses import replace
import archer, archer.benchmark, archer.mad.runner, archer.report.progress, archer.report.study
import archer.mad.pool, archer.mad.worker, archer.mad.work
from archer.mad.presets import smoke
from archer.store import testing
archer.mad.runner._cores = lambda: 1  # one worker of one thread
small = smoke().only(["memorization", "in-context-recall"])
sizes = [replace(s, num_train_examples=40) for s in small.settings]
preset = replace(small, settings=tuple(sizes), lrs=(1e-3, 1e-2), epochs=20)

def start(device, threads):
    def work():  # where a new program would begin
        gc.disable()
        os.closerange(3, 1024)  # what is not the worker's
        sys.stdin, sys.argv = open(0), ["worker", device, str(threads)]
        try:
            archer.mad.worker.main()
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen(["worker"], process_group=0, preexec_fn=work, **pipes)

archer.mad.pool._start = start

def bench(folder):
    rules = ["delta", "momentum"]
    archer.bench(rules, preset=preset, workers=1, device="cpu", out=folder, progress=False)

print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        try:
            os.environ["ARCHER_CHECKPOINT_SECONDS"], folder = line.split(maxsplit=1)
            bench(folder.strip())
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Benchmarks:
    """Processes of the server's: one benchmark at a time, and its worker."""

    def __init__(self) -> None:
        self.server = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.line() == "ready"

    def line(self) -> str:
        assert self.server.stdout is not None
        return self.server.stdout.readline().strip()

    def start(self, folder: Path, seconds: float = 60.0) -> int:
        """Its process; seconds: between checkpoints."""
        assert self.server.stdin is not None
        self.server.stdin.write(f"{seconds} {folder}\n")
        self.server.stdin.flush()
        return int(self.line())

    def ended(self) -> int:
        """Waits; the exit code."""
        return int(self.line())

    def close(self) -> None:
        assert self.server.stdin is not None
        self.server.stdin.close()
        self.server.wait(300)
        assert self.server.stdout is not None
        self.server.stdout.close()


@pytest.fixture
def benchmarks():
    found = Benchmarks()
    yield found
    found.close()


def runs(process: int) -> bool:
    """Whether there is such a process, and not only its exit code."""
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def children(process: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it may end meanwhile
            if path.read_text().rpartition(")")[2].split()[1] == str(process):
                found.append(int(path.parent.name))
    return found


def steps_done(folder: Path) -> int:
    """Steps of members that have ended or left a checkpoint, read while nobody works on them."""
    total = 0
    if (folder / STORE_FILE).exists():
        with open_store(folder) as store:
            ids = {trial for plan in store.plans() for _, _, trial, _ in plan["rows"]}
            total += sum(r.steps for r in store.results(sorted(ids)).values())
            for path in (folder / "checkpoints").glob("[!.]*"):
                with safe_open(path, "pt") as file:
                    standing = json.loads(file.metadata()["standing"])
                if not store.results([path.stem]):
                    total += standing["result"]["steps"] + standing["done"]
    return total


def checkpoints(folder: Path) -> set[tuple[str, int, int]]:
    """Name, inode and time of each: what is written anew is another."""
    found = set()
    for path in (folder / "checkpoints").glob("[!.]*"):
        with suppress(OSError):  # of one that has ended meanwhile
            about = path.stat()
            found.add((path.name, about.st_ino, about.st_mtime_ns))
    return found


def wait_until_it_trains(folder: Path, process: int, before: set[tuple[str, int, int]]) -> None:
    deadline = time.monotonic() + 300
    while not checkpoints(folder) - before:
        assert runs(process), "it had ended before it could be killed"
        assert time.monotonic() < deadline, "nothing is trained"
        time.sleep(0.005)


def wait_until_it_is_gone(worker: int) -> None:
    deadline = time.monotonic() + 300
    while runs(worker):
        assert time.monotonic() < deadline, "the worker goes on alone"
        time.sleep(0.005)


def test_killed_ten_times_at_random_moments_the_table_is_that_of_an_unbroken_run(
    tmp_path, benchmarks
):
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    began = time.monotonic()
    benchmarks.start(unbroken)
    assert benchmarks.ended() == 0
    took = time.monotonic() - began  # ten lives of 1/60 to 1/20 of it each: it is not done before
    assert not (unbroken / "checkpoints").exists()
    moments, counts = random.Random(0), [0]
    for kill in range(KILLS):
        before = checkpoints(broken)
        process = benchmarks.start(broken, took / 60)
        wait_until_it_trains(broken, process, before)
        time.sleep(moments.uniform(0.0, took / 30))
        (worker,) = children(process)
        os.kill(process, signal.SIGKILL)
        if kill % 2:  # as when the power fails; else the worker finds itself alone
            os.kill(worker, signal.SIGKILL)
        assert benchmarks.ended() == -signal.SIGKILL
        wait_until_it_is_gone(worker)
        counts.append(steps_done(broken))
    assert counts == sorted(set(counts)), "something was lost, or it was killed before it trained"
    benchmarks.start(broken)
    assert benchmarks.ended() == 0
    results = [folder / "results.csv" for folder in (unbroken, broken)]
    assert results[0].read_bytes() == results[1].read_bytes()
    trials = [pd.read_csv(path.with_name("trials.csv")) for path in results]
    pd.testing.assert_frame_equal(*(t.drop(columns="seconds") for t in trials), check_exact=True)
    curves = [path.with_name("curves.csv").read_bytes() for path in results]
    assert curves[0] == curves[1]
    assert not (broken / "checkpoints").exists()
