"""What a plan will cost, before anything is trained: the figures of `--dry-run`.

Operations are counted (6 per parameter and trained token, 2 per evaluated one); the rate is a
timed matrix product on this machine times a measured efficiency. Times are rough: expect them
within a factor of three, and shorter where members stop early.
"""

import math
import time
from dataclasses import dataclass
from functools import lru_cache

from archer.mad.plan import Plan, Population, tokens
from archer.model.backbone import build
from archer.model.config import ModelConfig
from archer.rules.peer import Contender

# Share of the matrix-product rate a training step reaches; measured, see docs/performance.md.
EFFICIENCY = {"cpu": 0.25, "cuda": 0.02}
COPIES = 5  # of the parameters: values, gradients, two moments, best checkpoint


@dataclass(frozen=True)
class Estimate:
    """trials: rows of the table; trained: those really trained; bytes: of the largest population;
    seconds: rough wall clock if nothing stops early; notes: what else to know, a line each."""

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
        memory_bytes=max(map(memory, plan.populations)),
        seconds=operations / (matmul_rate(device) * EFFICIENCY[device]),
        notes=plan.notes,
    )


@lru_cache(maxsize=1024)
def parameters(rule: Contender, model: ModelConfig) -> int:
    """Numbers in one member."""
    return sum(p.numel() for p in build(rule, model, ["count"]).parameters())


def memory(population: Population) -> int:
    """Rough peak bytes: parameters with their copies, activations of one step, data."""
    total = 0
    for trial in population.trials:
        config, setting = trial.model, trial.setting
        values = COPIES * parameters(trial.rule, config)
        per_token = config.blocks * (16 * config.dim + 4 * config.inner) + 3 * config.vocab_size
        values += per_token * trial.regime.batch_size * config.length
        examples = setting.num_train_examples + setting.num_validation_examples
        values += 3 * (examples + setting.num_test_examples) * config.length
        total += 4 * values
    return total


@lru_cache(maxsize=2)
def matmul_rate(device: str) -> float:
    """Floating-point operations per second of matrix products here, timed for a moment."""
    import torch

    size = 512 if device == "cpu" else 4096
    dtype = torch.float32 if device == "cpu" else torch.bfloat16
    a = torch.randn(size, size, dtype=dtype, device=device)
    best = math.inf
    for _ in range(8):
        began = time.perf_counter()
        (a @ a)[0, 0].item()  # waits for the device
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best
