"""Random sequences for a rule, and a rule that uses every hook, signals, a slot and the decay."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from interpreter import quicker_interpreter  # noqa: F401
from torch import Tensor
from torch.nn import functional

from archer.memory.chunkwise import chunkwise
from archer.rules.graph import RuleGraph
from archer.rules.load import load_graph


@dataclass
class Sequences:
    """Inputs of one run; q, k, v: [N, T, H, D], beta, g, signals: [N, T, H]."""

    q: Tensor
    k: Tensor
    v: Tensor
    beta: Tensor
    g: Tensor | None = None
    signals: dict[str, Tensor] = field(default_factory=dict)

    def tensors(self) -> dict[str, Tensor]:
        """Everything by name."""
        own = {"q": self.q, "k": self.k, "v": self.v, "beta": self.beta}
        return own | ({} if self.g is None else {"g": self.g}) | self.signals

    def map(self, change: Callable[[Tensor], Tensor]) -> "Sequences":
        """The same with every tensor changed."""
        new = {name: change(tensor) for name, tensor in self.tensors().items()}
        own = [new.pop(name) for name in ("q", "k", "v", "beta")]
        return Sequences(*own, new.pop("g", None), new)

    def leaves(self) -> "Sequences":
        """Fresh copies that collect gradients."""
        return self.map(lambda x: x.detach().clone().requires_grad_())

    def run(self, rule: RuleGraph, **options: object) -> tuple[Tensor, Tensor | None]:
        """Output and final state by the chunkwise engine."""
        signals = self.signals
        return chunkwise(
            rule,
            self.q,
            self.k,
            self.v,
            self.beta,
            self.g,
            signals=signals,
            **options,  # type: ignore[arg-type]
        )


def random_sequences(
    rule: RuleGraph,
    length: int,
    *,
    batch: int = 2,
    heads: int = 2,
    d_k: int = 4,
    d_v: int = 3,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
) -> Sequences:
    """Normalised q and k, beta in (0, 1), g <= 0 if the rule decays, signals in their ranges."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        return torch.randn(batch, length, heads, *shape, generator=generator, dtype=dtype)

    q, k = (functional.normalize(random(d_k), dim=-1) for _ in range(2))
    v, beta = random(d_v), random().sigmoid()
    g = -functional.softplus(random()) if rule.decay else None
    signals = {s.name: random().sigmoid() for s in rule.signals if s.name != rule.decay}
    return Sequences(q, k, v, beta, g, signals)


@pytest.fixture
def sequences() -> Callable[..., Sequences]:
    """(rule, length, sizes ...) -> random inputs."""
    return random_sequences


@pytest.fixture(scope="session")
def everything() -> RuleGraph:
    """A rule with all three hooks, a signal in two of them, the decay, a knob and a slot."""
    return load_graph(str(Path(__file__).parent / "everything.py"))
