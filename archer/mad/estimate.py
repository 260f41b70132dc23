"""What a plan will cost, before anything is trained: the figures of `--dry-run`.

Operations are counted (6 per parameter and trained token, 2 per evaluated one); the rate is a
timed matrix product on this machine times a measured efficiency. Times are rough: expect them
within a factor of three, and shorter where members stop early.
"""

import math
import os
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from archer.mad.plan import Plan, Population, tokens
from archer.mad.trial import Trial
from archer.model.config import ModelConfig
from archer.model.members import build
from archer.rules.peer import Contender
from archer.train.width import WIDEST, autograd_bytes, member_bytes

if TYPE_CHECKING:
    from torch import Tensor

# Share of the matrix-product rate a training reaches; measured, see docs/performance.md.
EFFICIENCY = {"cpu": 0.25, "cuda": 0.15}
H200 = 7e14  # operations per second of its bf16 matrix products, about
COPIES = 5  # of the parameters: values, gradients, two moments, best checkpoint


@dataclass(frozen=True)
class Estimate:
    """trials: rows of the table; trained: those really trained; memory_bytes: of the largest
    population; seconds: rough wall clock if nothing stops early; notes: what else to know, a line
    each."""

    trials: int
    trained: int
    populations: int
    steps: int
    training_tokens: int
    evaluation_tokens: int
    memory_bytes: int
    seconds: float
    notes: tuple[str, ...] = ()


def estimate(plan: Plan, device: str) -> Estimate:
    """Count a plan's work; takes well under a second."""
    trials = [trial for population in plan.populations for trial in population.trials]
    counted = [tokens(trial) for trial in trials]
    operations = sum(
        (6 * trained + 2 * evaluated) * parameters(trial.rule, trial.model)
        for trial, (trained, evaluated) in zip(trials, counted, strict=True)
    )
    return Estimate(
        trials=len(plan.rows),
        trained=len(trials),
        populations=len(plan.populations),
        steps=sum(
            t.regime.epochs * math.ceil(t.setting.num_train_examples / t.regime.batch_size)
            for t in trials
        ),
        training_tokens=sum(trained for trained, _ in counted),
        evaluation_tokens=sum(evaluated for _, evaluated in counted),
        memory_bytes=max(memory(population, device) for population in plan.populations),
        seconds=operations / (matmul_rate(device) * EFFICIENCY[device]),
        notes=plan.notes,
    )


@lru_cache(maxsize=1024)
def parameters(rule: Contender, model: ModelConfig) -> int:
    """Numbers in one member."""
    return sum(p.numel() for p in build(rule, model, ["count"]).parameters())


def memory(population: Population, device: str = "cpu") -> int:
    """Rough peak bytes: parameters with their copies, activations of one step, data.

    On a GPU no more than `WIDEST` members train at a time; the others wait with their parameters.
    """
    kept = sum(4 * COPIES * parameters(t.rule, t.model) for t in population.trials)
    steps = sorted((_activations(trial, device) for trial in population.trials), reverse=True)
    data = {(trial.setting.name, trial.seed): _data(trial) for trial in population.trials}
    return kept + sum(data.values()) + sum(steps if device == "cpu" else steps[:WIDEST])


def largest_step(population: Population) -> int:
    """Rough bytes of the step of that member whose step is the largest, on a CPU."""
    return max(_activations(trial, "cpu") for trial in population.trials)


def _data(trial: Trial) -> int:
    """Bytes of inputs and targets of the three splits; trials of a setting and seed share them."""
    setting = trial.setting
    held_out = setting.num_validation_examples + setting.num_test_examples
    return 2 * 4 * (setting.num_train_examples + held_out) * trial.model.length


def _activations(trial: Trial, device: str) -> int:
    """Bytes of one member's step: all of it kept by autograd, or what the fused kernels keep."""
    fused = device == "cuda" and trial.regime.precision == "bf16"
    count = member_bytes if fused else autograd_bytes
    return count(trial.rule, trial.model, trial.regime.batch_size)


@lru_cache(maxsize=2)
def matmul_rate(device: str) -> float:
    """Floating-point operations per second of matrix products here, as if nobody else were.

    Without a GPU here, of an H200: a plan may be for another machine.
    """
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        return H200
    if device == "cuda":
        return _timed(torch.randn(4096, 4096, dtype=torch.bfloat16, device=device))
    # on one thread: where others keep a core busy, threads that wait for each other take ten times
    # as long in one trial and not in the next
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return threads * _timed(torch.randn(512, 512))
    finally:
        torch.set_num_threads(threads)


def _timed(a: "Tensor") -> float:
    """Operations per second of the quickest of some products of a matrix with itself."""
    best = math.inf
    for _ in range(16):
        began = time.perf_counter()
        (a @ a)[0, 0].item()  # waits for the device
        best = min(best, time.perf_counter() - began)
    return float(2 * len(a) ** 3 / best)


def busy(device: str) -> str:
    """What keeps a processor from the rate it was timed at: others who use it now; or ""."""
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    if device != "cpu" or load < cores / 2:
        return ""
    return f"longer while others use this machine (load {load:.1f}, {cores} cores)"
