"""What a population is told: who its members are, and how they are trained."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Member:
    """One model of a population.

    stream: names its random stream (initial values, order of the data), e.g. seed and setting.
    knobs: values of the rule's knobs; what is missing takes its default. words: its vocabulary,
    where that is smaller than the model's.
    """

    stream: str
    lr: float
    weight_decay: float
    knobs: Mapping[str, float] = field(default_factory=dict)
    words: int | None = None


@dataclass(frozen=True)
class Regime:
    """How long and by what a population is trained.

    stop_accuracy: a member ends once its accuracy has been above it on validation and test data,
    so that the training serves protocols that stop by either (`archer.train.reading`).
    select: the split that chooses the weights that are kept, by lowest perplexity; it does not
    change what is trained.
    precision: "bf16" runs matrix products in bf16 with parameters and residual stream in fp32.
    """

    epochs: int = 200
    batch_size: int = 128
    stop_accuracy: float = 0.999
    select: Literal["validation", "test"] = "validation"
    precision: Literal["fp32", "bf16"] = "fp32"
