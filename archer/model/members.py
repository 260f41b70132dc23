"""Populations made of their streams, and members taken out of them."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from archer.errors import ArcherError
from archer.model.backbone import AutoEncoder, Backbone, LanguageModel
from archer.model.config import ModelConfig
from archer.model.fla_layer import FlaLayer
from archer.model.init import fill
from archer.model.knobs import KnobValues, complete, learned_names, swept_names
from archer.model.layers import Layer
from archer.model.recipe import Recipe
from archer.rules.peer import Contender

# Parameters with an axis for the vocabulary.
_WORD_AXIS = {"embed.weight": 0, "unembed.weight": 1, "unembed.bias": 0}


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


def _own(name: str, parameter: Tensor, words: Sequence[int]) -> list[Tensor]:
    """The part of a parameter that each member uses."""
    if name not in _WORD_AXIS:
        return list(parameter)
    axis = _WORD_AXIS[name]
    return [row.narrow(axis, 0, n) for row, n in zip(parameter, words, strict=True)]


def _kind(config: ModelConfig) -> type[Backbone]:
    return AutoEncoder if config.autoencoder else LanguageModel
