"""The two MAD backbones and the ways to build them.

Legend: P members, B batch, T length, S scored positions, N = B * T tokens, D dim, V vocabulary.
Source: mad-lab's language_model.py and auto_encoder.py (initial values, order of the layers).
"""

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from archer.errors import ArcherError
from archer.model.config import ModelConfig
from archer.model.init import fill
from archer.model.knobs import Knobs, KnobValues, complete, learned_names
from archer.model.layers import Embedding, Layer, Linear, RMSNorm, SwiGLU
from archer.model.mixer import Mixer
from archer.rules.graph import RuleGraph


@dataclass(frozen=True)
class Recipe:
    """What a model is made of, besides its parameters; `knobs` has one complete row per member."""

    config: ModelConfig
    rule: RuleGraph
    knobs: Sequence[KnobValues]
    learn: tuple[str, ...]
    chunk_size: int | None


class Block(nn.Module):
    """x + mixer(norm x), then x + swiglu(norm x)."""

    def __init__(self, recipe: Recipe, members: int | None) -> None:
        super().__init__()
        config = recipe.config
        knobs = Knobs(recipe.rule, config.heads, members, recipe.knobs, recipe.learn)
        self.mixer_norm = RMSNorm(members, config.dim, config.norm_eps)
        self.mixer = Mixer(config, recipe.rule, members, knobs, recipe.chunk_size)
        self.mlp_norm = RMSNorm(members, config.dim, config.norm_eps)
        self.mlp = SwiGLU(members, config.dim, config.inner, config.linear_std)

    def forward(self, x: Tensor, length: int, positions: Tensor | None) -> Tensor:
        x = x + self.mixer(self.mixer_norm(x), length)
        if positions is not None:
            x = _at(x, length, positions)
        out: Tensor = x + self.mlp(self.mlp_norm(x))
        return out


class Backbone(nn.Module):
    """What the two backbones share: embedding, blocks, and the last norm and map to logits."""

    def __init__(self, recipe: Recipe, members: int | None) -> None:
        super().__init__()
        config = recipe.config
        self.recipe, self.config, self.members = recipe, config, members
        self.embed = Embedding(members, config.vocab_size, config.dim)
        self.blocks = nn.ModuleList(Block(recipe, members) for _ in range(config.blocks))
        self.norm = RMSNorm(members, config.dim, config.norm_eps)
        self.unembed = Linear(members, config.dim, config.vocab_size, config.linear_std, bias=True)

    def hidden(self, ids: Tensor, positions: Tensor | None) -> Tensor:
        """ids: [..., B, T] -> the last block's output, [..., B S, D], at S `positions` or all."""
        length = ids.shape[-1]
        x: Tensor = self.embed(ids.flatten(-2))
        for block in self.blocks[:-1]:
            x = block(x, length, None)
        last: Tensor = self.blocks[-1](x, length, positions)
        return last

    def learned_knobs(self) -> dict[str, Tensor]:
        """Present values of the learned knobs, [..., layers, H] each."""
        found = [layer.learned() for layer in self.modules() if isinstance(layer, Knobs)]
        return {name: torch.stack([each[name] for each in found], -2) for name in found[0]}

    @abstractmethod
    def forward(self, ids: Tensor, positions: Tensor | None = None) -> Tensor:
        """ids: [..., B, T] integers -> logits [..., B, S, V] at `positions` (all if None)."""


class LanguageModel(Backbone):
    """Next-token logits. ids: [..., B, T] integers -> [..., B, S, V]; S = T unless `positions`."""

    def forward(self, ids: Tensor, positions: Tensor | None = None) -> Tensor:
        x = self.norm(self.hidden(ids, positions))
        return _per_sequence(self.unembed(x), ids)


class AutoEncoder(Backbone):
    """Reads a sequence into the last position, decodes every position from it (compression).

    ids: [..., B, T] integers -> logits [..., B, S, V]; S = T = `config.length` unless `positions`.
    """

    places: Tensor

    def __init__(self, recipe: Recipe, members: int | None) -> None:
        super().__init__(recipe, members)
        config = recipe.config
        dim, eps, std = config.dim, config.norm_eps, config.linear_std
        self.decoder = nn.Sequential(
            RMSNorm(members, dim, eps),
            Linear(members, dim, dim, std, bias=True),
            nn.GELU(),
            RMSNorm(members, dim, eps),
            Linear(members, dim, dim, std, bias=True),
            nn.GELU(),
        )
        self.register_buffer("places", sinusoids(config.length, dim), persistent=False)

    def forward(self, ids: Tensor, positions: Tensor | None = None) -> Tensor:
        if ids.shape[-1] != self.config.length:
            raise ArcherError(
                f"the auto-encoder was built for length {self.config.length}, "
                f"not {ids.shape[-1]}; set ModelConfig.length"
            )
        last = torch.arange(ids.shape[-1], device=ids.device)[-1:]
        z = self.hidden(ids, last)  # [..., B, D]
        places = self.places if positions is None else self.places[positions]
        x = (z.unsqueeze(-2) + places).flatten(-3, -2)
        return _per_sequence(self.unembed(self.norm(self.decoder(x))), ids)


def sinusoids(length: int, dim: int) -> Tensor:
    """[length, dim]: sin(j w_i), then cos(j w_i), w_i = 10000^(-i / (dim/2 - 1))."""
    half = dim // 2
    rates = torch.exp(torch.arange(half) * (-math.log(10000.0) / (half - 1)))
    angles = torch.arange(length).unsqueeze(1) * rates
    return torch.cat([angles.sin(), angles.cos()], 1)


def build(
    rule: RuleGraph,
    config: ModelConfig,
    streams: Sequence[str],
    *,
    knobs: Sequence[KnobValues] | None = None,
    learn: Sequence[str] = (),
    chunk_size: int | None = None,
) -> Backbone:
    """A freshly initialised population, one member per stream.

    streams: names of random streams, e.g. "seed=0|memorization/vocab_size=256".
    knobs: each member's knob values; what is missing takes its default.
    learn: knobs to train, beside those the rule itself declares learned.
    chunk_size: overrides the rule's.
    Raises ArcherError for unknown knobs or values out of bounds.
    """
    rows = [complete(rule, row) for row in ([{}] * len(streams) if knobs is None else knobs)]
    if len(rows) != len(streams):
        raise ArcherError(f"{len(streams)} streams but {len(rows)} rows of knobs; give one each")
    recipe = Recipe(config, rule, rows, learned_names(rule, learn), chunk_size)
    model = _kind(config)(recipe, len(streams))
    with torch.no_grad():
        for place, layer in model.named_modules():
            for name, draw in layer.draws.items() if isinstance(layer, Layer) else ():
                fill(layer.get_parameter(name), f"{place}.{name}", draw, streams)
    return model


def extract(model: Backbone, member: int) -> Backbone:
    """One member of a population as an ordinary module: ids [B, T], the same logits [B, T, V]."""
    alone = _kind(model.config)(replace(model.recipe, knobs=[model.recipe.knobs[member]]), None)
    alone.to(next(model.parameters()))
    with torch.no_grad():
        for mine, theirs in zip(alone.parameters(), model.parameters(), strict=True):
            mine.copy_(theirs[member])
    return alone


def _kind(config: ModelConfig) -> type[Backbone]:
    return AutoEncoder if config.autoencoder else LanguageModel


def _at(x: Tensor, length: int, positions: Tensor) -> Tensor:
    """[..., B T, D] -> [..., B S, D]."""
    x = x.reshape(*x.shape[:-2], -1, length, x.shape[-1])
    return x.index_select(-2, positions).flatten(-3, -2)


def _per_sequence(logits: Tensor, ids: Tensor) -> Tensor:
    """[..., B S, V] -> [..., B, S, V]."""
    return logits.reshape(*ids.shape[:-1], -1, logits.shape[-1])
