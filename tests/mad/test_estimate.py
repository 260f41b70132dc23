"""The figures of a dry run."""

import os
import time
from dataclasses import replace

import pytest
import torch

from archer.mad.estimate import busy, estimate, matmul_rate, memory, parameters
from archer.mad.plan import Population, make_plan
from archer.mad.presets import core, mad, smoke
from archer.mad.work import _data
from archer.model.config import ModelConfig
from archer.rules.load import BUILTIN, builtin_graph


def plan(*names, preset=None, **options):
    return make_plan([builtin_graph(name) for name in names], preset or smoke(), **options)


def test_counts_are_those_of_the_plan():
    cost = estimate(plan("delta", "momentum", seeds=2), "cpu")
    assert cost.trials == 2 * 6 * 2
    assert cost.trained == 2 * 6 * 2 - 2 * 2  # memorization and compression are delta's
    assert cost.populations == 6 + 4
    assert cost.steps == cost.trained * 2 * (64 // 32)
    lengths = {"delta": 8 + 31 + 32 + 8 + 31 + 32, "momentum": 31 + 32 + 31 + 32}
    assert cost.training_tokens == 2 * 2 * 64 * sum(lengths.values())
    assert cost.evaluation_tokens == cost.training_tokens  # 32 + 32 held-out examples


def test_the_whole_benchmark_is_what_the_protocol_costs():
    cost = estimate(plan("delta", preset=mad()), "cpu")
    assert (cost.trials, cost.trained, cost.steps) == (396, 396, 5_384_400)
    assert cost.training_tokens == 181_477_862_400


def test_parameters_counted_by_hand():
    dim, inner, vocabulary = 128, 352, 16
    mixer = 4 * dim * dim + 3 * 4 * dim + dim + dim  # q, k, v, out; convolutions; beta; norm
    decay = dim + 2  # a linear map, A_log and dt_bias
    block = 2 * dim + mixer + 3 * dim * inner  # two norms, mixer, SwiGLU
    ends = vocabulary * dim + dim + vocabulary * dim + vocabulary
    config = ModelConfig(vocabulary, 127)
    assert parameters(builtin_graph("delta"), config) == 2 * block + ends
    assert parameters(builtin_graph("gated_delta"), config) == 2 * (block + decay) + ends


def test_more_members_and_more_work_cost_more():
    one, two = (estimate(plan("delta", preset=core(), seeds=n), "cpu") for n in (1, 2))
    assert two.seconds == pytest.approx(2 * one.seconds)
    assert two.memory_bytes == pytest.approx(2 * one.memory_bytes)
    largest = max(memory(p) for p in plan("delta", preset=core()).populations)
    assert one.memory_bytes == largest


def test_the_rate_of_this_machine_is_a_plausible_number():
    assert 1e8 < matmul_rate("cpu") < 1e14


def test_the_rate_does_not_depend_on_who_else_is_there(monkeypatch):
    """Threads that wait for one which others keep from its core took ten times as long."""
    before, seen = torch.get_num_threads(), []
    monkeypatch.setattr("archer.mad.estimate._timed", lambda a: seen.append(1) or 1e9)
    monkeypatch.setattr(torch, "set_num_threads", lambda n: seen.append(f"{n} threads"))
    matmul_rate.cache_clear()
    try:
        assert matmul_rate("cpu") == before * 1e9
    finally:
        matmul_rate.cache_clear()
    assert seen == ["1 threads", 1, f"{before} threads"]


def test_a_busy_machine_is_told_of(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(4))
    monkeypatch.setattr(os, "getloadavg", lambda: (3.1, 0.0, 0.0))
    assert busy("cpu") == "longer while others use this machine (load 3.1, 4 cores)"
    assert busy("cuda") == ""
    monkeypatch.setattr(os, "getloadavg", lambda: (1.9, 9.0, 9.0))
    assert busy("cpu") == ""


def test_an_estimate_of_everything_takes_a_moment():
    everything = plan(*BUILTIN, preset=mad())
    began = time.process_time()  # other processes do not count
    assert estimate(everything, "cpu").trials == len(BUILTIN) * 396
    assert time.process_time() - began < 10


def test_on_a_gpu_only_those_that_train_need_room_for_a_step():
    trial = plan("delta", preset=core(), precision="bf16").populations[1].trials[0]
    one, two, few, many = (
        memory(Population((trial,) * members), "cuda") for members in (1, 2, 96, 100)
    )
    assert few - one == 95 * (two - one), "all but the data, which they share"
    assert 0 < many - few < 4 * one / 2


def test_data_is_counted_as_it_is_kept():
    preset = replace(smoke().only(["memorization"]), lrs=(1e-3, 2e-3, 3e-3))
    (population,) = plan("delta", preset=preset, seeds=2).populations
    kept = {id(data): data for data in _data(population.trials)}.values()
    splits = [split for data in kept for split in (data.train, data.validation, data.test)]
    numbers = sum(array.nbytes for split in splits for array in split)
    one, two = (memory(Population(population.trials[:1] * n)) for n in (1, 2))
    assert (len(kept), len(population.trials)) == (2, 6)
    assert memory(population) == 6 * (two - one) + numbers
