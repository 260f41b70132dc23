"""Initial values: every parameter of every member from a random stream of its own.

A stream is named by the member (its seed and setting) and the parameter, never by the rule or by
who else is in the population, so two rules start from the same weights under the same seed.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

Shape = tuple[int, ...]
Draw = Callable[[Shape, torch.Generator], Tensor]


def generator(*words: str | int) -> torch.Generator:
    """A CPU generator seeded by the words alone, e.g. ("seed=0|memorization", "embed.weight")."""
    digest = hashlib.sha256("\n".join(str(word) for word in words).encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def constant(value: float) -> Draw:
    """Every entry the same."""
    return partial(_constant, value)


def normal(std: float) -> Draw:
    """N(0, std^2)."""
    return partial(_normal, std)


def uniform(bound: float) -> Draw:
    """U(-bound, bound)."""
    return partial(_uniform, bound)


# not closures: a model is pickled with its draws
def _constant(value: float, shape: Shape, _: torch.Generator) -> Tensor:
    return torch.full(shape, value)


def _normal(std: float, shape: Shape, random: torch.Generator) -> Tensor:
    return torch.empty(shape).normal_(0.0, std, generator=random)


def _uniform(bound: float, shape: Shape, random: torch.Generator) -> Tensor:
    return torch.empty(shape).uniform_(-bound, bound, generator=random)


def log_decay_rate(shape: Shape, random: torch.Generator) -> Tensor:
    """log of A ~ U(0, 16), kept above the smallest float so that the log is finite.

    Source: Gated Delta Networks (arXiv 2412.06464), the public layer in flash-linear-attention.
    """
    rate = torch.empty(shape).uniform_(0.0, 16.0, generator=random)
    return rate.clamp_min(torch.finfo(rate.dtype).tiny).log()


def time_step_bias(shape: Shape, random: torch.Generator) -> Tensor:
    """Inverse softplus of dt, log-uniform in [0.001, 0.1] (same source)."""
    low, high = math.log(0.001), math.log(0.1)
    dt = torch.empty(shape).uniform_(low, high, generator=random).exp().clamp_min(1e-4)
    return dt + torch.log(-torch.expm1(-dt))


def fill(rows: Sequence[Tensor], name: str, draw: Draw, streams: Sequence[str]) -> None:
    """Draws a parameter of every member in place, each from its own stream."""
    for row, stream in zip(rows, streams, strict=True):
        row.copy_(draw(tuple(row.shape), generator(stream, name)))
