"""The two MAD backbones.

Legend: P members, B batch, T length, S scored positions, N = B * T tokens, D dim, V vocabulary.
Source: mad-lab's language_model.py and auto_encoder.py (initial values, order of the layers).
"""

import math
from abc import abstractmethod
from dataclasses import replace

import torch
from torch import Tensor, nn

from archer.errors import ArcherError
from archer.model.block import Block
from archer.model.knobs import Knobs
from archer.model.layers import Embedding, Linear, RMSNorm
from archer.model.recipe import Recipe


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


def _per_sequence(logits: Tensor, ids: Tensor) -> Tensor:
    """[..., B S, V] -> [..., B, S, V]."""
    return logits.reshape(*ids.shape[:-1], -1, logits.shape[-1])
