"""A backbone's training step as an explicit sequence of fused kernels, forward and backward.

The same mathematics as `Backbone` under bf16 autocast: residual stream and norms in fp32, matrix
products in the compute type. What lies between two matrix products happens in the kernels around
it; every gradient is written once, into its place in the flat buffer.

Legend: P members, B batch, T length, N = B * T tokens, S scored positions, D dim, H heads, V words.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from archer.model.backbone import AutoEncoder, Backbone, Block
from archer.model.config import ModelConfig
from archer.model.kernels.conv import WIDTH, conv_silu, conv_silu_backward
from archer.model.kernels.embed import NextNorm, Stream, embed_gradient, embed_norm
from archer.model.kernels.linear import linear_backward
from archer.model.kernels.loss import cross_entropy, score
from archer.model.kernels.mlp import Weights, mlp
from archer.model.kernels.mlp_backward import mlp_backward, product_into
from archer.model.mixer import Mixer

Views = Mapping[str, Tensor]  # parameters by name, views [P, ...] of one flat buffer


def unsupported(config: ModelConfig) -> str | None:
    """Why the fused step cannot run this model, in one line; None if it can."""
    if config.dim not in (16, 32, 64, 128):
        return f"dim {config.dim} (a power of two from 16 to 128)"
    if config.head_size & (config.head_size - 1):
        return f"head size {config.head_size} (a power of two)"
    if config.conv_width != WIDTH:
        return f"convolution width {config.conv_width} (only {WIDTH})"
    return None


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
    between: Tensor  # the stream after the mixer


class FusedBackbone:
    """Loss, gradients and scores of a population, on the parameters of a `Backbone`.

    words: [P] int32, each member's vocabulary; logits beyond it count as -inf.
    """

    def __init__(self, model: Backbone, parameters: Parameters, words: Tensor) -> None:
        self.model, self.parameters, self.words = model, parameters, words
        self.config = model.config
        self.dtype = next(iter(parameters.low.values())).dtype
        self.layers = [
            _Layer(f"blocks.{i}", block, parameters, self.config)  # type: ignore[arg-type]
            for i, block in enumerate(model.blocks)
        ]
        self.decodes = isinstance(model, AutoEncoder)

    def train(self, ids: Tensor, targets: Tensor, positions: Tensor | None = None) -> Tensor:
        """Mean loss of each member, [P]; sets the gradients of all parameters.

        ids: [P, B, T] int32; targets: [P, B, S], -100 where not scored, at `positions` [S] of the
        sequence (None: all T).
        """
        body = _Body(self, ids, self._last(ids) if self.decodes else positions, keep=True)
        if self.decodes:
            losses, dx = self._decode(body.x, targets, positions)
            dx = dx.to(self.dtype)
        else:
            losses, dx = self._unembed(body, targets)
        body.backward(dx)
        return losses

    def score(
        self, ids: Tensor, targets: Tensor, positions: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Mean losses [P] and the likeliest words [P, B, S] int32. Arguments as for `train`."""
        with torch.no_grad():
            body = _Body(self, ids, self._last(ids) if self.decodes else positions, keep=False)
            if self.decodes:
                logits = self._decoded(body.x, positions)
                bias = torch.zeros_like(self.parameters.full["unembed.bias"])
            else:
                logits = torch.bmm(body.hidden, self.parameters.low["unembed.weight"])
                bias = self.parameters.full["unembed.bias"]
            losses, found = score(logits, bias, self.words, targets.flatten(1))
        return losses, found.view(targets.shape)

    def _unembed(self, body: "_Body", targets: Tensor) -> tuple[Tensor, Tensor]:
        full, low, grads = self.parameters.full, self.parameters.low, self.parameters.grads
        logits = torch.bmm(body.hidden, low["unembed.weight"])
        bias, dbias = full["unembed.bias"], grads["unembed.bias"]
        losses = cross_entropy(logits, bias, self.words, targets.flatten(1), dbias)
        product_into(grads["unembed.weight"], body.hidden.mT, logits)
        norm, eps = NextNorm(full["norm.weight"]), self.config.norm_eps
        weight, dnorm = low["unembed.weight"], grads["norm.weight"]
        dx, _ = linear_backward(logits, weight, Stream(body.x), norm, eps, dnorm)
        return losses, dx

    def _decode(
        self, x: Tensor, targets: Tensor, positions: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The auto-encoder's decoder is small (no mixer, no residual): autograd does it."""
        names = [n for n in self.parameters.grads if n.split(".")[0] in _DECODER]
        with torch.enable_grad():
            z = x.detach().requires_grad_()
            logits = self._decoded(z, positions)
        over = logits.detach().clone()
        zero = torch.zeros_like(self.parameters.full["unembed.bias"])
        losses = cross_entropy(over, zero, self.words, targets.flatten(1))
        leaves = [z, *(self.model.get_parameter(name) for name in names)]
        dz, *grads = torch.autograd.grad(logits, leaves, over)
        for name, grad in zip(names, grads, strict=True):
            self.parameters.grads[name].copy_(grad)
        return losses, dz

    def _decoded(self, z: Tensor, positions: Tensor | None) -> Tensor:
        """z: [P, B, D] -> logits [P, B S, V]."""
        assert isinstance(self.model, AutoEncoder)
        low = self.dtype == torch.bfloat16
        with torch.autocast(z.device.type, torch.bfloat16, enabled=low, cache_enabled=False):
            return self.model.decode(z, positions)

    @staticmethod
    def _last(ids: Tensor) -> Tensor:
        return torch.arange(ids.shape[-1] - 1, ids.shape[-1], device=ids.device)


_DECODER = ("decoder", "norm", "unembed")


class _Body:
    """Embedding and blocks on one batch.

    x: [P, N, D] fp32, the last block's output at the positions; hidden: its RMSNorm in the compute
    type, except in the auto-encoder.
    """

    def __init__(
        self, owner: FusedBackbone, ids: Tensor, positions: Tensor | None, keep: bool
    ) -> None:
        self.owner, self.ids = owner, ids.flatten(1)
        self.batch = _Batch(ids.shape[1], ids.shape[2], positions)
        whole = _Batch(ids.shape[1], ids.shape[2], None)
        eps, full = owner.config.norm_eps, owner.parameters.full
        stream = Stream(full["embed.weight"], self.ids)
        following = owner.layers[0].norm()
        hidden, raw = embed_norm(stream, following, eps, owner.dtype)
        for layer, after in zip(owner.layers, [*owner.layers[1:], None], strict=True):
            last = after is None
            batch = self.batch if last else whole
            assert following.maps is not None
            maps = following.maps
            following = after.norm() if after else NextNorm(full["norm.weight"])
            behind = None if last and owner.decodes else following
            x, hidden, raw = layer.forward(stream, hidden, raw, maps, batch, behind, keep)
            stream = Stream(x)
        self.x, self.hidden = x, hidden

    def backward(self, dx: Tensor) -> None:
        """Sets every gradient before the last norm from that of x."""
        layers = self.owner.layers
        for layer in reversed(layers):
            batch = self.batch if layer is layers[-1] else _Batch(*self.batch.shape, None)
            dx = layer.backward(dx, batch)
        embed_gradient(self.ids, dx, self.owner.parameters.grads["embed.weight"])


@dataclass(frozen=True)
class _Batch:
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


class _Layer:
    """One block: a mixer and a SwiGLU."""

    def __init__(
        self, place: str, block: Block, parameters: Parameters, config: ModelConfig
    ) -> None:
        self.place, self.parameters, self.config = place, parameters, config
        self.mixer: Mixer = block.mixer
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
        batch: _Batch,
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
        between, *after = mlp(o, before, weights, following, self.config.norm_eps)
        if keep:
            self.kept = _Kept(stream, hidden, maps, qkv, memory, between)
        return after[0], after[1], after[2]

    def backward(self, dy: Tensor, batch: _Batch) -> Tensor:
        """The gradient of the block's input from that of its output; sets the parameters'."""
        kept, eps = self.kept, self.config.norm_eps
        assert kept is not None
        weights = self.second_half(self.full, self.low)
        gradients = self.second_half(self.grads, self.grads)
        o = batch.select(kept.memory.o)
        do, dy = mlp_backward(o, kept.between, dy, weights, eps, gradients)
        draw, dys = kept.memory.backward(batch.spread(do), self.grads)
        dqkv = self._conv_backward(kept.qkv, dys, batch)
        product_into(self.grads["mixer.qkv.weight"], kept.hidden.mT, dqkv)
        dx, dmaps = linear_backward(
            dqkv,
            self.low["mixer.qkv.weight"],
            kept.stream,
            NextNorm(self.full["mixer_norm.weight"], kept.maps),
            eps,
            self.grads["mixer_norm.weight"],
            draw=draw,
            residual=batch.spread(dy),
        )
        assert dmaps is not None
        for name, part in zip(
            self.map_names, torch.split(dmaps, self.config.heads, -1), strict=True
        ):
            self.grads[name].copy_(part)
        self.kept = None
        return dx

    def _selected(self, stream: Stream, batch: _Batch) -> Stream:
        if batch.positions is None:
            return stream
        if stream.ids is None:
            return Stream(batch.select(stream.source))
        return Stream(stream.source, batch.select(stream.ids).contiguous())

    def _conv_backward(self, x: Tensor, dys: tuple[Tensor, ...], batch: _Batch) -> Tensor:
        P, _, _, C = x.shape
        weight, dweight = self.full["mixer.conv.weight"], self.grads["mixer.conv.weight"]
        dys = tuple(dy.reshape(P, *batch.shape, C // 3) for dy in dys)
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
        self.o = self.result.detach().reshape(P, B * T, H * K).to(mixed.dtype)

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
