"""The sequences a rule is probed with."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from archer.memory.chunkwise import State, chunkwise, proceed
from archer.rules.graph import RuleGraph

# What each kind of input is, in the words of a message.
KINDS = {
    "random": "random inputs",
    "zero": "all-zero inputs (as padding and blanks are)",
    "large": "large inputs (v 100 times its usual size, beta 0.999)",
    "tiny": "tiny inputs (v a millionth of its usual size, beta 0.001)",
    "equal": "inputs whose keys are all equal (beta 0.99)",
}
HEADS, D_K, D_V = 2, 4, 3
LARGEST_CHUNK = 32


def small(rule: RuleGraph) -> RuleGraph:
    """The rule at a chunk size that is quick to probe: its hooks are one graph for every size."""
    return rule.with_chunk_size(min(rule.chunk_size, LARGEST_CHUNK))


@dataclass(frozen=True)
class Inputs:
    """By name: q, k: [N, T, H, d_k], v: [N, T, H, d_v], the rest [N, T, H]."""

    tensors: dict[str, Tensor]
    decay: str | None

    def map(self, change: Callable[[str, Tensor], Tensor]) -> "Inputs":
        """The same with every tensor changed."""
        changed = {name: change(name, tensor) for name, tensor in self.tensors.items()}
        return Inputs(changed, self.decay)

    @property
    def length(self) -> int:
        """T."""
        return self.tensors["q"].shape[1]

    def part(self, start: int, stop: int) -> "Inputs":
        """The tokens from `start` on, before `stop`."""
        return self.map(lambda _, x: x[:, start:stop])

    def run(
        self, rule: RuleGraph, knobs: Mapping[str, float | Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Output and final state of a rule, which may read fewer of the inputs."""
        tokens, signals = self._given(rule)
        output, state = chunkwise(
            rule, *tokens, knobs=knobs, signals=signals, output_final_state=True
        )
        assert state is not None
        return output, state

    def proceed(
        self,
        rule: RuleGraph,
        state: State | None,
        knobs: Mapping[str, float | Tensor] | None = None,
    ) -> tuple[Tensor, State]:
        """Output, and the state after these tokens, where `state` is that before them."""
        tokens, signals = self._given(rule)
        return proceed(rule, *tokens, knobs=knobs, signals=signals, state=state)

    def _given(
        self, rule: RuleGraph
    ) -> tuple[tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None], dict[str, Tensor]]:
        """q, k, v, beta and g, and the signals."""
        signals = dict(self.tensors)
        q, k, v, beta = (signals.pop(name) for name in ("q", "k", "v", "beta"))
        g = signals.pop(self.decay) if self.decay else None
        return (q, k, v, beta, g if rule.decay else None), signals


def inputs(
    rule: RuleGraph,
    length: int,
    kind: str = "random",
    *,
    batch: int = 2,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
) -> Inputs:
    """Inputs of one kind for a rule, always the same for the same arguments."""
    generator = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> Tensor:
        drawn = torch.randn(batch, length, HEADS, *shape, generator=generator, dtype=torch.float64)
        return drawn.to(dtype)

    tensors = {
        "q": functional.normalize(random(D_K), dim=-1),
        "k": functional.normalize(random(D_K), dim=-1),
        "v": random(D_V),
        "beta": random().sigmoid(),
    }
    for signal in rule.signals:
        tensors[signal.name] = _activated(random(), signal.activation)
    if kind == "zero":
        tensors = {name: torch.zeros_like(tensor) for name, tensor in tensors.items()}
    if kind == "equal":
        tensors["k"] = tensors["k"][:, :1].expand_as(tensors["k"]).clone()
    size = {"large": 100.0, "tiny": 1e-6}.get(kind, 1.0)
    beta = {"large": 0.999, "tiny": 1e-3, "equal": 0.99}.get(kind)
    tensors["v"] = size * tensors["v"]
    if beta is not None:
        tensors["beta"] = torch.full_like(tensors["beta"], beta)
    return Inputs(tensors, rule.decay)


def extreme(rule: RuleGraph, length: int, raw: float) -> Inputs:
    """Values, and the raw numbers of beta and of every signal, all of this size.

    Keys and queries are random: normalised, they have a direction and no size.
    """
    usual = inputs(rule, length, batch=1, seed=1)
    activations = {"beta": "sigmoid", "v": "identity"}
    activations |= {signal.name: signal.activation for signal in rule.signals}

    def sized(name: str, tensor: Tensor) -> Tensor:
        return (
            tensor if name in "qk" else _activated(torch.full_like(tensor, raw), activations[name])
        )

    return usual.map(sized)


def _activated(x: Tensor, activation: str) -> Tensor:
    match activation:
        case "sigmoid":
            return x.sigmoid()
        case "softplus":
            return functional.softplus(x)
        case "tanh":
            return x.tanh()
        case "log_decay":
            return -functional.softplus(x)
        case _:
            return x
