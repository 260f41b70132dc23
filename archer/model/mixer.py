"""The token mixer: projections and short convolutions around a rule's memory.

Legend: P members, B batch, T length, N = B * T tokens, D dim, H heads, K head size.
"""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from archer.memory.dispatch import full, memory
from archer.model.config import ModelConfig
from archer.model.init import log_decay_rate, time_step_bias
from archer.model.knobs import Knobs
from archer.model.layers import CausalConv, Layer, Linear, RMSNorm
from archer.rules.graph import RuleGraph, SignalSpec


class SignalMap(nn.Module):
    """A number per token and head: activation(x W), [..., N, D] -> [..., N, H]."""

    def __init__(self, members: int | None, config: ModelConfig, activation: str) -> None:
        super().__init__()
        self.activation = activation
        self.linear = Linear(members, config.dim, config.heads, config.linear_std)

    def forward(self, x: Tensor) -> Tensor:
        return self.activate(full(self.linear(x)))

    def activate(self, raw: Tensor) -> Tensor:
        """What follows the linear map."""
        match self.activation:
            case "sigmoid":
                return raw.sigmoid()
            case "softplus":
                return functional.softplus(raw)
            case "tanh":
                return raw.tanh()
            case _:
                return raw


class LogDecay(Layer):
    """g = -exp(A_log) softplus(x W + dt_bias) <= 0 (Gated DeltaNet, arXiv 2412.06464)."""

    A_log: nn.Parameter
    dt_bias: nn.Parameter

    def __init__(self, members: int | None, config: ModelConfig) -> None:
        super().__init__(members)
        self.linear = Linear(members, config.dim, config.heads, config.linear_std)
        self.declare("A_log", (config.heads,), log_decay_rate)
        self.declare("dt_bias", (config.heads,), time_step_bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.activate(full(self.linear(x)))

    def activate(self, raw: Tensor) -> Tensor:
        """What follows the linear map."""
        step = functional.softplus(raw + self.dt_bias.unsqueeze(-2))
        return -self.A_log.exp().unsqueeze(-2) * step


class Mixer(nn.Module):
    """One layer's memory, [..., N, D] -> [..., N, D].

    q, k, v are linear maps, a causal convolution and SiLU; q and k are then normalised, beta is a
    sigmoid of a linear map; the memory's output passes a per-head RMSNorm and a linear map. With an
    output gate it is multiplied by silu(x W) between the two (Gated DeltaNet, arXiv 2412.06464).
    The three projections are one matrix [D, 3 D] (all of q, then k, then v).
    """

    def __init__(
        self,
        config: ModelConfig,
        rule: RuleGraph,
        members: int | None,
        knobs: Knobs,
        chunk_size: int | None,
    ) -> None:
        super().__init__()
        self.rule, self.chunk_size = rule, chunk_size
        self.heads, self.head_size = config.heads, config.head_size
        dim, std = config.dim, config.linear_std
        self.qkv = Linear(members, dim, 3 * dim, std)
        self.conv = CausalConv(members, config.conv_width, 3 * dim)
        self.beta = SignalMap(members, config, "sigmoid")
        for spec in rule.signals:
            self.add_module(f"signal_{spec.name}", _signal(members, config, spec))
        self.knobs = knobs
        self.norm = RMSNorm(members, self.head_size, config.norm_eps, groups=1)
        self.gate = Linear(members, dim, dim, std) if config.output_gate else None
        self.out = Linear(members, dim, dim, std)

    def forward(self, x: Tensor, length: int) -> Tensor:
        lead, tokens = x.shape[:-2], x.shape[-2]
        qkv = full(self.qkv(x)).view(*lead, -1, length, 3 * x.shape[-1])
        qkv = self.conv(qkv)
        qkv = functional.silu(qkv).view(-1, length, 3, self.heads, self.head_size)
        q, k, v = qkv.unbind(2)  # [P * B, T, H, K]
        o = self.read(q, k, v, [signal(x) for signal in self.signals()])
        o = self.norm(o.reshape(*lead, tokens, self.heads, self.head_size)).flatten(-2)
        if self.gate is not None:
            o = o * functional.silu(full(self.gate(x)))
        out: Tensor = self.out(o)
        return out

    def signals(self) -> list[SignalMap | LogDecay]:
        """The map of beta, then those of the rule's signals."""
        names = [f"signal_{spec.name}" for spec in self.rule.signals]
        return [self.beta, *map(self.get_submodule, names)]  # type: ignore[list-item]

    def read(self, q: Tensor, k: Tensor, v: Tensor, values: Sequence[Tensor]) -> Tensor:
        """The memory's output; q, k, v: [P * B, T, H, K], values: those of `signals`, any shape."""
        beta, *others = (value.view(q.shape[:-1]) for value in values)
        signals = dict(zip((spec.name for spec in self.rule.signals), others, strict=True))
        decay = None if self.rule.decay is None else signals.pop(self.rule.decay)
        return memory(
            self.rule,
            q,
            k,
            v,
            beta,
            decay,
            knobs=self.knobs(q.shape[0] // (self.norm.members or 1)),
            signals=signals,
            chunk_size=self.chunk_size,
        )


def _signal(members: int | None, config: ModelConfig, spec: SignalSpec) -> nn.Module:
    if spec.activation == "log_decay":
        return LogDecay(members, config)
    return SignalMap(members, config, spec.activation)
