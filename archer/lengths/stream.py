"""A trained model reading a sequence piece by piece, with what it carries between them open."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from archer.memory.chunkwise import State, proceed
from archer.memory.dispatch import full
from archer.memory.normalise import unit
from archer.model.backbone import Backbone
from archer.model.layers import CausalConv
from archer.model.mixer import Mixer


class Stream:
    """Feeds a model, as `archer.load` gives it, one long sequence in pieces.

    The model's own forward pass runs; only its convolutions remember their last inputs and its
    memories go on from their state, so that the pieces give what the whole sequence would. Pieces
    are whole chunks, but for the last. The model cannot be used otherwise afterwards.
    layers: one per mixer, with what its memory holds and read last.
    """

    def __init__(self, model: Backbone) -> None:
        self.model = model
        mixers = [module for module in model.modules() if isinstance(module, Mixer)]
        self.layers = [Layer(mixer) for mixer in mixers]

    def read(self, ids: Tensor) -> Tensor:
        """The next piece [B, T] -> logits [B, T, V]."""
        with torch.no_grad():
            logits: Tensor = self.model(ids)
        return logits


class Layer:
    """One mixer's memory: its `state` after what was read, and the `output` of the last piece.

    output: [B, T, H, K], before the norm.
    """

    state: State | None = None
    output: Tensor

    def __init__(self, mixer: Mixer) -> None:
        self.mixer = mixer
        self.chunk_size = mixer.chunk_size or mixer.rule.chunk_size
        vars(mixer)["read"] = self._read
        mixer.conv = _Remembering(mixer.conv)  # type: ignore[assignment]

    def _read(self, q: Tensor, k: Tensor, v: Tensor, values: Sequence[Tensor]) -> Tensor:
        """`Mixer.read`, going on from the state."""
        rule = self.mixer.rule
        beta, *others = (value.view(q.shape[:-1]) for value in values)
        signals = dict(zip((spec.name for spec in rule.signals), others, strict=True))
        decay = None if rule.decay is None else signals.pop(rule.decay)
        given: dict[str, Any] = {
            "knobs": self.mixer.knobs(len(q)),
            "signals": signals,
            "chunk_size": self.chunk_size,
            "state": self.state,
        }
        q, k = unit(full(q)), unit(full(k))
        self.output, self.state = proceed(rule, q, k, v, beta, decay, **given)
        return self.output


class _Remembering(nn.Module):
    """A causal convolution over a sequence in pieces."""

    def __init__(self, conv: CausalConv) -> None:
        super().__init__()
        self.conv = conv
        self.before: Tensor | None = None  # the inputs that the next piece still sees

    def forward(self, x: Tensor) -> Tensor:
        reach = self.conv.weight.shape[-2] - 1
        before = x.new_zeros(*x.shape[:-2], reach, x.shape[-1])
        joined = torch.cat([before if self.before is None else self.before, x], -2)
        self.before = joined[..., joined.shape[-2] - reach :, :]
        y: Tensor = self.conv(joined)
        return y[..., reach:, :]
