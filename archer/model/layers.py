"""Layers with an optional population axis.

Legend: P members, B batch, T length, N = B * T tokens, I inputs, O outputs, D dim, V vocabulary.

Built with `members=P` every parameter is [P, ...] and activations are [P, N, ...]; built with
`members=None` both lack the leading axis. The same forward code serves the two.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from archer.memory.dispatch import full
from archer.memory.normalise import normalise
from archer.model.init import Draw, constant, normal, uniform
from archer.model.product import product


class Layer(nn.Module):
    """A module that knows how each of its own parameters is drawn."""

    def __init__(self, members: int | None) -> None:
        super().__init__()
        self.members = members
        self.draws: dict[str, Draw] = {}

    def declare(self, name: str, shape: tuple[int, ...], draw: Draw) -> None:
        """Adds parameter `name` of `shape` per member; `draw` says how it starts."""
        population = () if self.members is None else (self.members,)
        self.register_parameter(name, nn.Parameter(torch.zeros(population + shape)))
        self.draws[name] = draw


class Linear(Layer):
    """y = x W (+ b). x: [..., N, I], W: [..., I, O], b: [..., O], y: [..., N, O]."""

    weight: nn.Parameter
    bias: nn.Parameter | None

    def __init__(
        self, members: int | None, inputs: int, outputs: int, std: float | None, bias: bool = False
    ) -> None:
        super().__init__(members)
        self.declare(
            "weight", (inputs, outputs), uniform(inputs**-0.5) if std is None else normal(std)
        )
        if bias:
            self.declare("bias", (outputs,), constant(0.0))
        else:
            self.register_parameter("bias", None)

    def forward(self, x: Tensor) -> Tensor:
        y = product(x, self.weight)
        return y if self.bias is None else y + self.bias.to(y.dtype).unsqueeze(-2)


class RMSNorm(Layer):
    """y = x / sqrt(mean x^2 + eps) * w over the last axis, in full precision.

    x: [..., N, D] (with `groups` axes more before D, e.g. heads), w: [..., D].
    """

    weight: nn.Parameter

    def __init__(self, members: int | None, dim: int, eps: float, groups: int = 0) -> None:
        super().__init__(members)
        self.eps = eps
        self.groups = groups
        self.declare("weight", (dim,), constant(1.0))

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight.reshape(
            *self.weight.shape[:-1], *(1,) * (1 + self.groups), self.weight.shape[-1]
        )
        return normalise(full(x), self.eps) * weight


class Embedding(Layer):
    """Rows of a table. ids: [..., N] integers below V, table: [..., V, D], result [..., N, D]."""

    weight: nn.Parameter

    def __init__(self, members: int | None, vocab_size: int, dim: int) -> None:
        super().__init__(members)
        self.declare("weight", (vocab_size, dim), normal(0.02))

    def forward(self, ids: Tensor) -> Tensor:
        if self.members is None:
            return functional.embedding(ids, self.weight)
        vocab_size = self.weight.shape[-2]
        first = torch.arange(self.members, device=ids.device, dtype=ids.dtype) * vocab_size
        return functional.embedding(ids + first.unsqueeze(-1), self.weight.flatten(0, 1))


class CausalConv(Layer):
    """Depthwise causal convolution: y_t = sum_j w_j x_{t - width + 1 + j}, zeros before t = 0.

    x: [..., B, T, D], w: [..., width, D], starting as torch's Conv1d: U(-1, 1) / sqrt(width).
    """

    weight: nn.Parameter

    def __init__(self, members: int | None, width: int, dim: int) -> None:
        super().__init__(members)
        self.declare("weight", (width, dim), uniform(width**-0.5))

    def forward(self, x: Tensor) -> Tensor:
        return _ShiftedSum.apply(x, self.weight)  # type: ignore[no-any-return,no-untyped-call]


class SwiGLU(nn.Module):
    """y = (silu(x W1) * x W2) W3. x, y: [..., N, D]."""

    def __init__(self, members: int | None, dim: int, inner: int, std: float | None) -> None:
        super().__init__()
        self.gate = Linear(members, dim, inner, std)
        self.value = Linear(members, dim, inner, std)
        self.out = Linear(members, inner, dim, std)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.out(functional.silu(self.gate(x)) * self.value(x))
        return out


class _ShiftedSum(torch.autograd.Function):
    """The causal convolution as in-place multiply-adds: six times faster here than autograd's."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        length, width = x.shape[-2], weight.shape[-2]
        taps = weight.unsqueeze(-3)
        y = x * taps[..., width - 1 :, :]
        for back in range(1, min(width, length)):
            tap = taps[..., width - 1 - back : width - back, :]
            y[..., back:, :].addcmul_(x[..., : length - back, :], tap)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        (dy,) = grads
        x, weight = ctx.saved_tensors
        length, width = x.shape[-2], weight.shape[-2]
        taps = weight.unsqueeze(-3)
        dx = dy * taps[..., width - 1 :, :]
        dweight = torch.zeros_like(weight)
        dweight[..., width - 1, :] = (x * dy).sum((-3, -2))
        for back in range(1, min(width, length)):
            tap = taps[..., width - 1 - back : width - back, :]
            early, late = x[..., : length - back, :], dy[..., back:, :]
            dx[..., : length - back, :].addcmul_(late, tap)
            dweight[..., width - 1 - back, :] = (early * late).sum((-3, -2))
        return dx, dweight
