"""Benchmarks that are killed or stopped at any moment, and go on."""

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

ARCHER = (sys.executable, "-c", "from archer.cli import main; main()")
BENCH = (*ARCHER, "bench", "delta", "momentum", "--preset", "smoke", "--seeds", "2")
ARGUMENTS = ("--device", "cpu", "--workers", "2", "--out", "out")
KILLS = 10

# Runs a benchmark in a child for every folder it is given: importing takes longer than training.
# The last batch of an epoch is half as wide as the first, and some members stop early.
SERVER = """
import os, sys, traceback
from dataclasses import replace
import archer, archer.benchmark, archer.mad.runner, archer.report.progress, archer.report.study
from archer.mad.presets import smoke
from archer.store import testing
archer.mad.runner._cores = lambda: 1  # one worker of one thread
small = smoke().only(["memorization", "in-context-recall"])
sizes = [replace(s, num_train_examples=48) for s in small.settings]
preset = replace(small, settings=tuple(sizes), lrs=(1e-3, 1e-2), epochs=60)

def bench(folder):
    rules = ["delta", "momentum"]
    archer.bench(rules, preset=preset, workers=1, device="cpu", out=folder, progress=False)

print("ready", flush=True)
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        try:
            bench(line.strip())
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
            env={**os.environ, "ARCHER_CHECKPOINT_SECONDS": "0.1"},
        )
        assert self.line() == "ready"

    def line(self) -> str:
        assert self.server.stdout is not None
        return self.server.stdout.readline().strip()

    def start(self, folder: Path) -> int:
        assert self.server.stdin is not None
        self.server.stdin.write(f"{folder}\n")
        self.server.stdin.flush()
        return int(self.line())

    def ended(self) -> int:
        """Waits; the exit code."""
        return int(self.line())

    def close(self) -> None:
        assert self.server.stdin is not None
        self.server.stdin.close()
        self.server.wait(20)
        assert self.server.stdout is not None
        self.server.stdout.close()


@pytest.fixture
def benchmarks():
    found = Benchmarks()
    yield found
    found.close()


def children(process: int) -> list[int]:
    with suppress(OSError):
        return [
            int(p) for p in Path(f"/proc/{process}/task/{process}/children").read_text().split()
        ]
    return []


def epochs_done(folder: Path) -> int:
    """Epochs of members that have ended or left a checkpoint, read while nobody works on them."""
    total = 0
    if (folder / STORE_FILE).exists():
        with open_store(folder) as store:
            ids = {trial for plan in store.plans() for _, _, trial, _ in plan["rows"]}
            total += sum(len(r.history) for r in store.results(sorted(ids)).values())
            for path in (folder / "checkpoints").glob("[!.]*"):
                with safe_open(path, "pt") as file:
                    standing = json.loads(file.metadata()["standing"])
                if not store.results([path.stem]):
                    total += len(standing["result"]["history"])
    return total


def newest(folder: Path) -> int:
    """When a checkpoint was last written, 0 for never."""
    with suppress(OSError):
        return max((p.stat().st_mtime_ns for p in (folder / "checkpoints").iterdir()), default=0)
    return 0


def wait_until_it_trains(folder: Path, process: int) -> None:
    before, deadline = newest(folder), time.monotonic() + 60
    while newest(folder) <= before:
        assert Path(f"/proc/{process}/fd").exists(), "it had ended before it could be killed"
        assert time.monotonic() < deadline, "nothing is trained"
        time.sleep(0.01)


def test_killed_ten_times_at_random_moments_the_table_is_that_of_an_unbroken_run(
    tmp_path, benchmarks
):
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    benchmarks.start(unbroken)
    assert benchmarks.ended() == 0
    assert not (unbroken / "checkpoints").exists()
    moments, counts = random.Random(0), [0]
    for kill in range(KILLS):
        process = benchmarks.start(broken)
        wait_until_it_trains(broken, process)
        time.sleep(moments.uniform(0.0, 0.15))
        workers = children(process)
        os.kill(process, signal.SIGKILL)
        if kill % 2:  # as when the power fails; else the worker finds itself alone
            for worker in workers:
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
        assert benchmarks.ended() == -signal.SIGKILL
        counts.append(epochs_done(broken))
    assert counts == sorted(counts), "an epoch was lost"
    assert len(set(counts)) > KILLS // 2, "it was killed where nothing was being trained"
    benchmarks.start(broken)
    assert benchmarks.ended() == 0
    results = [folder / "results.csv" for folder in (unbroken, broken)]
    assert results[0].read_bytes() == results[1].read_bytes()
    trials = [pd.read_csv(path.with_name("trials.csv")) for path in results]
    pd.testing.assert_frame_equal(*(t.drop(columns="seconds") for t in trials), check_exact=True)
    curves = [path.with_name("curves.csv").read_bytes() for path in results]
    assert curves[0] == curves[1]
    assert not (broken / "checkpoints").exists()


def start(folder: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*BENCH, *ARGUMENTS, *more],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def ended(folder: Path) -> int:
    """How many trials the store has, read while nobody works on it."""
    if not (folder / "out" / STORE_FILE).exists():
        return 0
    with open_store(folder / "out") as store:
        ids = {trial for plan in store.plans() for _, _, trial, _ in plan["rows"]}
        return len(store.results(sorted(ids)))


def test_ctrl_c_keeps_what_has_ended_and_says_so(tmp_path):
    with start(tmp_path, "--tasks", "memorization", "in-context-recall") as process:
        try:
            assert process.stderr is not None
            assert process.stderr.readline().startswith("[1/3]")
            os.killpg(process.pid, signal.SIGINT)
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130
    last = errors.splitlines()[-1]
    kept = ended(tmp_path)
    file = Path("out") / STORE_FILE
    assert last == f"stopped: {kept} of 6 trials are kept in {file}; the same command continues"
    assert kept in (2, 3, 4)
    with open_store(tmp_path / "out") as store:
        ids = {trial for plan in store.plans() for _, _, trial, _ in plan["rows"]}
        waiting = {id for id, state in store.states(sorted(ids)).items() if state[0] == "waiting"}
    assert len(waiting) == 6 - kept
    left = {path.stem for path in (tmp_path / "out" / "checkpoints").glob("*")}
    assert left <= waiting, "of those that were running, and nothing half-written"
    assert {p.name for p in (tmp_path / "out").iterdir()} <= {STORE_FILE, "checkpoints"}
