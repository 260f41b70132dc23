"""One block of the fused training step: its kernels in order, forward and backward.

Legend: P members, B batch, T length, N = B * T tokens, S scored positions, D dim, H heads.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from archer.model.block import Block
from archer.model.config import ModelConfig
from archer.model.kernels.conv import conv_silu
from archer.model.kernels.conv_backward import conv_silu_backward
from archer.model.kernels.embed import NextNorm, Stream
from archer.model.kernels.linear import linear_backward
from archer.model.kernels.mlp import Kept, Weights, mlp
from archer.model.kernels.mlp_backward import mlp_backward
from archer.model.kernels.tiles import product_into
from archer.model.mixer import Mixer

Views = Mapping[str, Tensor]  # parameters by name, views [P, ...] of one flat buffer


@dataclass(frozen=True)
class Parameters:
    """The flat buffers by parameter name: fp32 values and gradients, values in the compute type."""

    full: Views
    low: Views
    grads: Views


@dataclass
class _Kept:
    """What a block's backward pass reads: its input, and what its layers computed."""

    stream: Stream
    hidden: Tensor
    maps: Tensor
    qkv: Tensor
    memory: "_Memory"
    second: Kept


@dataclass(frozen=True)
class Batch:
    """Sizes of a batch, and the positions whose results are wanted."""

    sequences: int
    length: int
    positions: Tensor | None

    @property
    def shape(self) -> tuple[int, int]:
        return self.sequences, self.length

    def select(self, x: Tensor) -> Tensor:
        """[P, B T, ...] -> [P, B S, ...]."""
        if self.positions is None:
            return x
        x = x.view(x.shape[0], *self.shape, *x.shape[2:])
        return x.index_select(2, self.positions).flatten(1, 2)

    def spread(self, x: Tensor) -> Tensor:
        """The transpose of `select`: zeros elsewhere."""
        if self.positions is None:
            return x
        whole = x.new_zeros(x.shape[0], *self.shape, x.shape[-1])
        part = x.view(x.shape[0], self.sequences, -1, x.shape[-1])
        whole.index_copy_(2, self.positions, part)
        return whole.flatten(1, 2)


class Layer:
    """One block: a mixer and a SwiGLU."""

    def __init__(
        self, place: str, block: Block, parameters: Parameters, config: ModelConfig
    ) -> None:
        self.place, self.parameters, self.config = place, parameters, config
        assert isinstance(block.mixer, Mixer)
        self.mixer = block.mixer
        self.full, self.low, self.grads = (
            {name.removeprefix(f"{place}."): view for name, view in views.items()}
            for views in (parameters.full, parameters.low, parameters.grads)
        )
        self.map_names = ["mixer.beta.linear.weight"]
        self.map_names += [f"mixer.signal_{s.name}.linear.weight" for s in self.mixer.rule.signals]
        self.trained = {
            f"mixer.{name}": parameter
            for name, parameter in self.mixer.named_parameters()
            if name.startswith(("knobs.", "signal_")) and not name.endswith("linear.weight")
        }
        self.kept: _Kept | None = None

    def norm(self) -> NextNorm:
        """The norm before the mixer, and the maps of beta and the signals side by side."""
        maps = torch.cat([self.low[name] for name in self.map_names], -1)
        return NextNorm(self.full["mixer_norm.weight"], maps)

    def second_half(self, full: Views, low: Views) -> Weights:
        """The tensors of the output map and SwiGLU in two of the buffers."""
        matrices = ("mixer.out", "mlp.gate", "mlp.value", "mlp.out")
        mix, gate, value, out = (low[f"{name}.weight"] for name in matrices)
        return Weights(full["mixer.norm.weight"], mix, full["mlp_norm.weight"], gate, value, out)

    def forward(
        self,
        stream: Stream,
        hidden: Tensor,
        raw: Tensor,
        maps: Tensor,
        batch: Batch,
        following: NextNorm | None,
        keep: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The stream after the block, [P, B S, D], and what the norm behind it gives."""
        weight, taps = self.low["mixer.qkv.weight"], self.full["mixer.conv.weight"]
        qkv = torch.bmm(hidden, weight).view(len(hidden), *batch.shape, -1)
        mixed = conv_silu(qkv, taps)
        memory = _Memory(self.mixer, mixed, raw, self.trained, keep)
        o, before = batch.select(memory.o), self._selected(stream, batch)
        weights = self.second_half(self.full, self.low)
        second, *after = mlp(o, before, weights, following, self.config.norm_eps, keep)
        if keep:
            self.kept = _Kept(stream, hidden, maps, qkv, memory, second)
        return after[0], after[1], after[2]

    def backward(self, dy: Tensor, batch: Batch) -> Tensor:
        """The gradient of the block's input from that of its output; sets the parameters'."""
        kept, eps = self.kept, self.config.norm_eps
        assert kept is not None
        weights = self.second_half(self.full, self.low)
        gradients = self.second_half(self.grads, self.grads)
        o = batch.select(kept.memory.o)
        do, dy = mlp_backward(o, kept.second, dy, weights, eps, gradients)
        draw, dys = kept.memory.backward(batch.spread(do), self.grads)
        dqkv = self._conv_backward(kept.qkv, dys, batch)
        product_into(self.grads["mixer.qkv.weight"], kept.hidden.mT, dqkv)
        dx = linear_backward(
            dqkv,
            self.low["mixer.qkv.weight"],
            kept.stream,
            NextNorm(self.full["mixer_norm.weight"], kept.maps),
            eps,
            self.grads["mixer_norm.weight"],
            draw=draw,
            dmaps=[self.grads[name] for name in self.map_names],
            residual=batch.spread(dy),
        )
        self.kept = None
        return dx

    def _selected(self, stream: Stream, batch: Batch) -> Stream:
        if batch.positions is None:
            return stream
        if stream.ids is None:
            return Stream(batch.select(stream.source))
        return Stream(stream.source, batch.select(stream.ids).contiguous())

    def _conv_backward(self, x: Tensor, dys: tuple[Tensor, ...], batch: Batch) -> Tensor:
        P, _, _, C = x.shape
        weight, dweight = self.full["mixer.conv.weight"], self.grads["mixer.conv.weight"]
        # a reshaped tensor may be a view that is not dense, here and below
        dys = tuple(dy.reshape(P, *batch.shape, C // 3).contiguous() for dy in dys)
        return conv_silu_backward(x, weight, dys, dweight).flatten(1, 2)


class _Memory:
    """The memory and what turns raw signals into its inputs: autograd's part of the step.

    o: [P, N, D]. trained: the parameters involved (learned knobs, the decay's own), by name.
    """

    def __init__(
        self, mixer: Mixer, mixed: Tensor, raw: Tensor, trained: Mapping[str, Tensor], keep: bool
    ) -> None:
        P, B, T, _ = mixed.shape
        H, K = mixer.heads, mixer.head_size
        self.trained = trained
        self.parts = [part.detach() for part in mixed.view(P * B, T, 3, H, K).unbind(2)]
        self.raw = raw.detach()
        if keep:
            self.parts = [part.requires_grad_() for part in self.parts]
            self.raw = self.raw.requires_grad_()
        with torch.set_grad_enabled(keep):
            signals = [
                signal.activate(part)
                for signal, part in zip(mixer.signals(), torch.split(self.raw, H, -1), strict=True)
            ]
            q, k, v = self.parts
            self.result = mixer.read(q, k, v, signals)
        self.o = self.result.detach().reshape(P, B * T, H * K).to(mixed.dtype).contiguous()

    def backward(self, do: Tensor, grads: Views) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Gradients of the raw signals and of q, k, v; sets those of the parameters."""
        leaves = [self.raw, *self.parts, *self.trained.values()]
        do = do.reshape(self.result.shape).to(self.result.dtype)
        draw, dq, dk, dv, *others = torch.autograd.grad(
            self.result, leaves, do, materialize_grads=True
        )
        for name, grad in zip(self.trained, others, strict=True):
            grads[name].copy_(grad)
        return draw, (dq, dk, dv)
