"""Rows divided by their length, with a gradient that keeps two tensors instead of a chain's."""

from typing import Any

import torch
from torch import Tensor


def normalise(x: Tensor, eps: float, scale: float = 1.0) -> Tensor:
    """scale * x / sqrt(mean x^2 + eps) over the last axis."""
    return _Normalise.apply(x, eps, scale)  # type: ignore[no-any-return,no-untyped-call]


def unit(x: Tensor) -> Tensor:
    """x / sqrt(sum x^2 + 1e-6) over the last axis, as flash-linear-attention does for q and k."""
    size = x.shape[-1]
    return normalise(x, 1e-6 / size, size**-0.5)


class _Normalise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, eps: float, scale: float) -> Tensor:
        # not vecdot: autocast would take that in bf16
        mean_square = x.square().sum(-1, keepdim=True).div_(x.shape[-1])
        inverse = mean_square.add_(eps).rsqrt_()
        y: Tensor = x * (inverse * scale)
        ctx.save_for_backward(y, inverse)
        ctx.scale = scale
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (dy,) = grads
        y, inverse = ctx.saved_tensors
        # dx = inverse * (scale * dy - y * mean(y dy) / scale)
        along = (y * dy).sum(-1, keepdim=True)
        along.mul_(inverse).div_(-y.shape[-1] * ctx.scale)
        return torch.addcmul(dy * (inverse * ctx.scale), y, along), None, None
