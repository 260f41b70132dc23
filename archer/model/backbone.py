"""The two MAD backbones and the ways to build them.

Legend: P members, B batch, T length, S scored positions, N = B * T tokens, D dim, V vocabulary.
Source: mad-lab's language_model.py and auto_encoder.py (initial values, order of the layers).
"""

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from archer.errors import ArcherError
from archer.model.attention import Attention
from archer.model.config import ModelConfig
from archer.model.fla_layer import FlaLayer
from archer.model.init import fill
from archer.model.knobs import Knobs, KnobValues, complete, learned_names, swept_names
from archer.model.layers import Embedding, Layer, Linear, RMSNorm, SwiGLU
from archer.model.mixer import Mixer
from archer.rules.peer import ATTENTION, Contender, Peer


@dataclass(frozen=True)
class Recipe:
    """What a model is made of, besides its parameters.

    knobs: one complete row per member. sweep: knobs that may differ between members. words: each
    member's own vocabulary, at most the config's.
    """

    config: ModelConfig
    rule: Contender
    knobs: Sequence[KnobValues]
    learn: tuple[str, ...]
    sweep: tuple[str, ...]
    chunk_size: int | None
    words: tuple[int, ...]

    @property
    def padded(self) -> bool:
        """Whether some member's vocabulary is smaller than the tensors."""
        return min(self.words) < self.config.vocab_size


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


class Backbone(nn.Module):
    """What the two backbones share: embedding, blocks, and the last norm and map to logits.

    words: [P] int32, each member's vocabulary; logits beyond it are -inf.
    """

    words: Tensor

    def __init__(self, recipe: Recipe, members: int | None) -> None:
        super().__init__()
        config = recipe.config
        self.recipe, self.config, self.members = recipe, config, members
        self.embed = Embedding(members, config.vocab_size, config.dim)
        self.blocks = nn.ModuleList(Block(recipe, members) for _ in range(config.blocks))
        self.norm = RMSNorm(members, config.dim, config.norm_eps)
        self.unembed = Linear(members, config.dim, config.vocab_size, config.linear_std, bias=True)
        words = torch.tensor(recipe.words, dtype=torch.int32)
        self.register_buffer("words", words, persistent=False)

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
        names = found[0] if found else ()  # a peer has no knobs
        return {name: torch.stack([each[name] for each in found], -2) for name in names}

    def member_buffers(self) -> list[Tensor]:
        """Buffers with a row per member: vocabularies and swept knobs."""
        knobs = [layer for layer in self.modules() if isinstance(layer, Knobs)]
        return [self.words, *(buffer for layer in knobs for buffer in layer.buffers())]

    def resized(self, members: int) -> "Backbone":
        """An untrained model of the same kind for any number of members, to copy rows into."""
        recipe, words = self.recipe, (self.config.vocab_size,) * members
        if self.recipe.padded:  # whoever comes in may be smaller
            words = (1, *words[1:])
        return type(self)(replace(recipe, knobs=[recipe.knobs[0]] * members, words=words), members)

    def logits(self, x: Tensor) -> Tensor:
        """[..., N, D] -> [..., N, V], -inf beyond a member's vocabulary."""
        logits: Tensor = self.unembed(self.norm(x))
        if not self.recipe.padded:
            return logits
        beyond = torch.arange(logits.shape[-1], device=x.device) >= self.words.view(-1, 1, 1)
        return logits.masked_fill(beyond, -math.inf)

    @abstractmethod
    def forward(self, ids: Tensor, positions: Tensor | None = None) -> Tensor:
        """ids: [..., B, T] integers -> logits [..., B, S, V] at `positions` (all if None)."""


class LanguageModel(Backbone):
    """Next-token logits. ids: [..., B, T] integers -> [..., B, S, V]; S = T unless `positions`."""

    def forward(self, ids: Tensor, positions: Tensor | None = None) -> Tensor:
        return _per_sequence(self.logits(self.hidden(ids, positions)), ids)


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
        return _per_sequence(self.decode(self.hidden(ids, last), positions), ids)

    def decode(self, z: Tensor, positions: Tensor | None) -> Tensor:
        """z: [..., B, D], each sequence's last position -> logits [..., B S, V]."""
        places = self.places if positions is None else self.places[positions]
        x = (z.unsqueeze(-2) + places).flatten(-3, -2)
        return self.logits(self.decoder(x))


def sinusoids(length: int, dim: int) -> Tensor:
    """[length, dim]: sin(j w_i), then cos(j w_i), w_i = 10000^(-i / (dim/2 - 1))."""
    half = dim // 2
    rates = torch.exp(torch.arange(half) * (-math.log(10000.0) / (half - 1)))
    angles = torch.arange(length).unsqueeze(1) * rates
    return torch.cat([angles.sin(), angles.cos()], 1)


def build(
    rule: Contender,
    config: ModelConfig,
    streams: Sequence[str],
    *,
    knobs: Sequence[KnobValues] | None = None,
    learn: Sequence[str] = (),
    chunk_size: int | None = None,
    words: Sequence[int] | None = None,
) -> Backbone:
    """A freshly initialised population, one member per stream.

    streams: names of random streams, e.g. "seed=0|memorization/vocab_size=256".
    knobs: each member's knob values; what is missing takes its default.
    learn: knobs to train, beside those the rule itself declares learned.
    chunk_size: overrides the rule's.
    words: each member's vocabulary where it is smaller than the config's; its weights are drawn at
    that size, the rest of the tensors is 0.
    Raises ArcherError for unknown knobs or values out of bounds.
    """
    rows = [complete(rule, row) for row in ([{}] * len(streams) if knobs is None else knobs)]
    if len(rows) != len(streams):
        raise ArcherError(f"{len(streams)} streams but {len(rows)} rows of knobs; give one each")
    learned = learned_names(rule, learn)
    sizes = (config.vocab_size,) * len(rows) if words is None else tuple(words)
    sweep = swept_names(rows)
    recipe = Recipe(config, rule, rows, learned, sweep, chunk_size, sizes)
    model = _kind(config)(recipe, len(streams))
    with torch.no_grad():
        for place, layer in model.named_modules():
            for name, draw in layer.draws.items() if isinstance(layer, Layer) else ():
                full = f"{place}.{name}"
                fill(_own(full, layer.get_parameter(name), sizes), full, draw, streams)
            if isinstance(layer, FlaLayer):
                layer.draw(place, streams)
    return model


# Parameters with an axis for the vocabulary.
_WORD_AXIS = {"embed.weight": 0, "unembed.weight": 1, "unembed.bias": 0}


def _own(name: str, parameter: Tensor, words: Sequence[int]) -> list[Tensor]:
    """The part of a parameter that each member uses."""
    if name not in _WORD_AXIS:
        return list(parameter)
    axis = _WORD_AXIS[name]
    return [row.narrow(axis, 0, n) for row, n in zip(parameter, words, strict=True)]


def extract(model: Backbone, member: int) -> Backbone:
    """One member of a population as an ordinary module: ids [B, T], the same logits [B, T, V]."""
    recipe, words = model.recipe, int(model.words[member])
    recipe = replace(
        recipe,
        config=replace(recipe.config, vocab_size=words),
        knobs=[recipe.knobs[member]],
        sweep=(),
        words=(words,),
    )
    alone = _kind(model.config)(recipe, None)
    alone.to(next(model.parameters()))
    with torch.no_grad():
        for (name, mine), theirs in zip(alone.named_parameters(), model.parameters(), strict=True):
            mine.copy_(_own(name, theirs[member : member + 1], [words])[0])
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
