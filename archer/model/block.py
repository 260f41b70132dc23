"""One block of a backbone: a mixer, then an MLP.

Legend: B batch, T length, S scored positions, N = B * T tokens, D dim.
"""

from typing import Any

from torch import Tensor, nn

from archer.model.attention import Attention
from archer.model.fla_layer import FlaLayer
from archer.model.knobs import Knobs
from archer.model.layers import RMSNorm, SwiGLU
from archer.model.mixer import Mixer
from archer.model.recipe import Recipe
from archer.rules.peer import ATTENTION, Peer


class Block(nn.Module):
    """x + mixer(norm x), then x + swiglu(norm x)."""

    def __init__(self, recipe: Recipe, members: int | None) -> None:
        super().__init__()
        config = recipe.config
        self.mixer_norm = RMSNorm(members, config.dim, config.norm_eps)
        self.mixer: Any = _mixer(recipe, members)
        self.mlp_norm = RMSNorm(members, config.dim, config.norm_eps)
        self.mlp = SwiGLU(members, config.dim, config.inner, config.linear_std)

    def forward(self, x: Tensor, length: int, positions: Tensor | None) -> Tensor:
        x = x + self.mixer(self.mixer_norm(x), length)
        if positions is not None:
            x = _at(x, length, positions)
        out: Tensor = x + self.mlp(self.mlp_norm(x))
        return out


def _mixer(recipe: Recipe, members: int | None) -> Mixer | Attention | FlaLayer:
    config, rule = recipe.config, recipe.rule
    if isinstance(rule, Peer):
        if rule.layer == ATTENTION:
            return Attention(config, members)
        return FlaLayer(rule, config, members)
    knobs = Knobs(rule, config.heads, members, recipe.knobs, recipe.learn, recipe.sweep)
    return Mixer(config, rule, members, knobs, recipe.chunk_size)


def _at(x: Tensor, length: int, positions: Tensor) -> Tensor:
    """[..., B T, D] -> [..., B S, D]."""
    x = x.reshape(*x.shape[:-2], -1, length, x.shape[-1])
    return x.index_select(-2, positions).flatten(-3, -2)
