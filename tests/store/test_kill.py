"""Benchmarks that are killed, stopped, or lose a worker, and go on."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd

from archer.store import STORE_FILE, open_store

ARCHER = (sys.executable, "-c", "from archer.cli import main; main()")
BENCH = (*ARCHER, "bench", "delta", "momentum", "--preset", "smoke", "--seeds", "2")
ARGUMENTS = ("--device", "cpu", "--workers", "2", "--out", "out")
KILLS, TRIALS = 10, 20


def start(folder: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*BENCH, *ARGUMENTS, *more],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def wait_for_a_result(process: subprocess.Popen[str]) -> None:
    """Until a population was stored, or all are found."""
    assert process.stderr is not None
    while line := process.stderr.readline():
        if line.startswith(("[", f"{TRIALS} of {TRIALS} trials found")):
            return


def ended(folder: Path) -> int:
    """How many trials the store has, read while nobody works on it."""
    if not (folder / "out" / STORE_FILE).exists():
        return 0
    with open_store(folder / "out") as store:
        ids = {trial for plan in store.plans() for _, _, trial, _ in plan["rows"]}
        return len(store.results(sorted(ids)))


def test_killed_ten_times_at_random_moments_the_table_is_that_of_an_unbroken_run(tmp_path):
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    unbroken.mkdir()
    broken.mkdir()
    began = time.monotonic()
    with start(unbroken) as process:
        _, errors = process.communicate(timeout=120)
    length = time.monotonic() - began
    assert process.returncode == 0, errors
    moments, counts = random.Random(0), [0]
    for kill in range(KILLS):
        with start(broken) as process:
            if kill % 2:
                time.sleep(moments.uniform(0.2, 0.6) * length)
            else:  # while results are being stored, or files written
                wait_for_a_result(process)
                time.sleep(moments.uniform(0.0, 0.2))
            process.kill()
            process.communicate()
        assert process.returncode in (-signal.SIGKILL, 0)
        counts.append(ended(broken))
    assert counts == sorted(counts), "a finished trial was lost"
    assert any(0 < count < TRIALS for count in counts), counts
    with start(broken) as process:
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    total = counts[-1] + sum(line.startswith("[") for line in errors.splitlines()) * 2
    assert total == TRIALS, (counts, errors)
    results = [folder / "out" / "results.csv" for folder in (unbroken, broken)]
    assert results[0].read_bytes() == results[1].read_bytes()
    trials = [pd.read_csv(path.with_name("trials.csv")) for path in results]
    pd.testing.assert_frame_equal(*(t.drop(columns="seconds") for t in trials), check_exact=True)


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
    assert kept in (2, 4)
    assert [p.name for p in (tmp_path / "out").iterdir()] == [STORE_FILE]
