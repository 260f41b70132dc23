"""Causal softmax attention with rotary embedding: a peer of the rules, with a population axis.

Legend: P members, B batch, T length, N = B * T tokens, D dim, H heads, K head size.
Sources: Vaswani et al. (arXiv 1706.03762); Su et al. (arXiv 2104.09864), first half of a head
rotated against the second. As mad-lab's attention, but without biases.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from archer.errors import ArcherError
from archer.memory.dispatch import full
from archer.model.config import ModelConfig
from archer.model.layers import Linear

BASE = 10000.0


class Attention(nn.Module):
    """[..., N, D] -> [..., N, D]: softmax(q k^T / sqrt(K)) v over the past, q and k rotated.

    The three projections are one matrix [D, 3 D] (all of q, then k, then v), as in `Mixer`; no
    convolution, no norm after it. Raises ArcherError for an odd head size.
    """

    rates: Tensor

    def __init__(self, config: ModelConfig, members: int | None) -> None:
        super().__init__()
        if config.head_size % 2:
            raise ArcherError(
                f"attention rotates pairs, and a head of size {config.head_size} has an odd "
                "number: choose heads that leave an even size"
            )
        self.heads, self.head_size = config.heads, config.head_size
        self.qkv = Linear(members, config.dim, 3 * config.dim, config.linear_std)
        self.out = Linear(members, config.dim, config.dim, config.linear_std)
        rates = BASE ** (-torch.arange(0, self.head_size, 2) / self.head_size)
        self.register_buffer("rates", rates, persistent=False)

    def forward(self, x: Tensor, length: int) -> Tensor:
        qkv = self.qkv(x).view(-1, length, 3, self.heads, self.head_size)
        q, k, v = qkv.transpose(1, 3).unbind(2)  # [P * B, H, T, K]
        places = torch.arange(length, device=x.device, dtype=self.rates.dtype)
        angles = torch.outer(places, self.rates)
        q, k = (rotated(full(each), angles).to(v.dtype) for each in (q, k))
        o = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        out: Tensor = self.out(o.transpose(1, 2).reshape(x.shape))
        return out


def rotated(x: Tensor, angles: Tensor) -> Tensor:
    """x: [..., T, K] with its pairs (i, i + K / 2) turned by `angles` [T, K / 2]."""
    cos, sin = angles.cos(), angles.sin()
    a, b = x.chunk(2, -1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)
