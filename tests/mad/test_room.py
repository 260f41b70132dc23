"""Populations too large for a processor's memory train fewer members at a time."""

import os
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from archer.cli.show import _memory
from archer.mad import pool, room
from archer.mad.estimate import memory
from archer.mad.plan import Population, make_plan
from archer.mad.presets import core, smoke
from archer.mad.room import Room
from archer.mad.runner import run
from archer.mad.work import train
from archer.rules.load import builtin_graph
from archer.train import running

GIB = 2**30


@pytest.fixture
def population() -> Population:
    """Six members; the last batch of an epoch is half as wide as the first."""
    preset = smoke().only(["in-context-recall"])
    settings = tuple(replace(s, num_train_examples=48) for s in preset.settings)
    (found,) = make_plan(
        [builtin_graph("momentum")], replace(preset, settings=settings), seeds=6
    ).populations
    return found


def of(population: Population, members: int) -> int:
    """Bytes for so many of a population at a time."""
    return memory(population) - (6 - members) * room.largest_step(population)


def test_what_fits_in_a_share_trains_all_at_a_time(population):
    everything = memory(population)
    assert Room(1, everything).want(population).members is None
    assert Room(2, 2 * everything).want(population).members is None
    assert Room(2, 2 * everything - 2).want(population).members == 5
    assert Room(1, of(population, 2)).want(population).members == 2
    assert Room(3, 3 * of(population, 2)).want(population).members == 2
    assert Room(1, 0).want(population).members == 1, "one always trains"
    assert Room(1, 0).want(Population(population.trials[:1])).members == 1


def test_a_member_larger_than_a_share_waits_for_others_to_end(population):
    shared, order = Room(2, of(population, 1)), []
    inside, leave = threading.Event(), threading.Event()

    def first() -> None:
        want = shared.want(population)
        with shared.held(want):
            order.append(want.members)
            inside.set()
            leave.wait(60)
            order.append("left")

    def second() -> None:
        with shared.held(shared.want(population)):
            order.append("second")

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    threads[0].start()
    assert inside.wait(60)
    threads[1].start()
    threads[1].join(0.2)
    assert order == [1]
    leave.set()
    for thread in threads:
        thread.join(60)
    assert order == [1, "left", "second"]


def test_small_ones_do_not_wait_for_each_other(population):
    shared = Room(2, 2 * memory(population))
    want = shared.want(population)
    with shared.held(want), shared.held(want):
        assert want.members is None


def test_what_cannot_be_counted_wants_nothing(population, monkeypatch):
    """Its training says what is wrong with it."""
    monkeypatch.setattr(room, "memory", lambda _: 1 / 0)
    assert Room(1, GIB).want(population) == room.Want(None, 0)


def test_how_many_train_at_a_time_does_not_change_their_bits(population, monkeypatch):
    """From two up: one by itself is multiplied in another way."""
    widths: list[int] = []
    advance = running.Running.advance

    def watched(self, widest):
        widths.append(self.network.members)
        advance(self, widest)

    monkeypatch.setattr(running.Running, "advance", watched)
    whole, *parts = (train(population, "cpu", at_a_time=n) for n in (None, 4, 2))
    assert set(widths) == {6, 4, 2}
    for part in parts:
        assert [replace(r, seconds=0.0) for r in part] == [replace(r, seconds=0.0) for r in whole]


@pytest.mark.usefixtures("workers")
def test_a_worker_is_told_how_many_fit(population, monkeypatch):
    monkeypatch.setattr(room, "free", lambda: int(of(population, 2) / room.SHARE) + 2)
    events = list(run([population], "cpu", 1, threads=1))
    seated = {event.progress.seated for event in events if event.progress}
    assert seated == {2, 0}
    assert len(events[-1].results) == 6


GIVES_BACK = """
import ctypes
from pathlib import Path
from archer.mad.worker import give_back
def held():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
blocks = [bytearray(2**20) for _ in range(256)]
pin = bytearray(2**20)
del blocks
before = held()
give_back()
print((before - held()) // 2**20)
"""


def test_a_worker_gives_back_what_a_population_took():
    """Else what one of them has freed would be missing where another may take it."""
    told = subprocess.run(
        [sys.executable, "-c", GIVES_BACK],
        env=os.environ | pool.MEMORY_KEPT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(told.stdout) > 200


def test_a_plan_for_a_large_gpu_is_cut_down_for_a_small_machine():
    """96 members at length 1024 would want some 700 GiB at once."""
    preset = core().only(["fuzzy-in-context-recall"])
    long = replace(preset, settings=tuple(replace(s, seq_len=1024) for s in preset.settings))
    (wide,) = make_plan([builtin_graph("delta")], long, seeds=16, together=True).populations
    assert len(wide.trials) == 96
    assert memory(wide) > 500 * GIB
    assert Room(1, 12 * GIB).want(wide).members == 1
    assert Room(1, 20 * GIB).want(wide).members == 2
    assert Room(1, 64 * GIB).want(wide).members == 8


# peak memory of one member beyond its parameters, in KiB per token: batches of 32 sequences of 128
# tokens on a CPU, torch 2.13.0
MEASURED = {
    "delta": 61, "momentum": 70, "error_gated": 58, "softmax_attention": 59, "gated_delta": 64,
    "adam": 95, "adam_softmax": 106,
}  # fmt: skip


@pytest.mark.parametrize("rule", MEASURED)
def test_a_step_is_counted_as_it_was_measured(rule):
    preset = replace(core().only(["fuzzy-in-context-recall"]), batch_size=32)
    trial = make_plan([builtin_graph(rule)], preset).populations[0].trials[0]
    tokens = 32 * trial.model.length
    counted = room.largest_step(Population((trial,))) / tokens / 1024
    assert MEASURED[rule] * 0.9 < counted < MEASURED[rule] * 1.25


@pytest.mark.parametrize(
    ("bytes", "workers", "said"),
    [
        (64 * GIB, 2, " for the largest population"),
        (2**20, 1, "; there is room here for less: fewer of its members train at a time"),
        (
            2**21,
            2,
            "; there is room here for 1 MiB for each of 2: fewer of its members train at a time",
        ),
    ],
)
def test_a_dry_run_says_where_memory_is_short(population, monkeypatch, bytes, workers, said):
    monkeypatch.setattr(room, "free", lambda: int(bytes / room.SHARE) + 1)
    plan = make_plan([builtin_graph("delta")], smoke())
    assert _memory(plan, memory(population), "cpu", workers).endswith(said)
    assert _memory(plan, 2**30, "cuda", 1) == "about 1,024 MiB for the largest population"


def machine(folder, available: int, cgroup: str, **files: str):
    """/proc and /sys/fs/cgroup of a machine; sizes in bytes, files by path with __ for /."""
    (folder / "proc" / "self").mkdir(parents=True)
    meminfo = f"MemTotal: 1 kB\nMemAvailable:   {available // 1024} kB\n"
    (folder / "proc" / "meminfo").write_text(meminfo)
    (folder / "proc" / "self" / "cgroup").write_text(cgroup)
    for name, text in files.items():
        path = folder / "cgroup" / name.replace("__", "/").replace("memory_", "memory.")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize(
    ("cgroup", "files", "expected"),
    [
        ("", {}, 8 * GIB),
        ("0::/\n", {"memory_max": "max\n", "memory_current": "1\n", "memory_stat": ""}, 8 * GIB),
        (  # version 2, the limit on a parent
            "0::/job/step\n",
            {
                "job__step__memory_max": "max\n",
                "job__memory_max": f"{4 * GIB}\n",
                "job__memory_current": f"{3 * GIB}\n",
                "job__memory_stat": f"anon 5\ninactive_file {GIB}\n",
            },
            2 * GIB,
        ),
        (  # version 1
            "9:cpu:/x\n4:memory:/job\n0::/\n",
            {
                "memory__job__memory_limit_in_bytes": f"{2 * GIB}\n",
                "memory__job__memory_usage_in_bytes": f"{GIB}\n",
                "memory__job__memory_stat": "total_inactive_file 0\n",
            },
            GIB,
        ),
    ],
    ids=["no cgroup", "no limit", "version 2", "version 1"],
)
def test_free_is_the_least_that_the_machine_and_its_cgroups_leave(
    tmp_path, monkeypatch, cgroup, files, expected
):
    machine(tmp_path, 8 * GIB, cgroup, **files)
    monkeypatch.setattr(room, "PROC", tmp_path / "proc")
    monkeypatch.setattr(room, "CGROUPS", tmp_path / "cgroup")
    assert room.free() == expected


def test_free_memory_of_this_machine_is_a_plausible_number():
    assert 2**20 < room.free() < 2**50
