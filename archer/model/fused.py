"""A backbone's training step as an explicit sequence of fused kernels, forward and backward.

The same mathematics as `Backbone` under bf16 autocast: residual stream and norms in fp32, matrix
products and, beyond autocast, the stream's gradient in the compute type. What lies between two
matrix products happens in the kernels around it; every gradient is written once, into its place in
the flat buffer.

Legend: P members, B batch, T length, N = B * T tokens, S scored positions, D dim, H heads, V words.
"""

import torch
from torch import Tensor

from archer.model.backbone import AutoEncoder, Backbone
from archer.model.config import ModelConfig
from archer.model.fused_layer import Batch, Layer, Parameters, Views
from archer.model.kernels.conv import WIDTH
from archer.model.kernels.decoder import Decoded, Decoder, decode
from archer.model.kernels.decoder_backward import decode_backward
from archer.model.kernels.embed import NextNorm, Stream, embed_gradient, embed_norm
from archer.model.kernels.linear import linear_backward
from archer.model.kernels.loss import cross_entropy, score
from archer.model.kernels.tiles import product_into


def unsupported(config: ModelConfig) -> str | None:
    """Why the fused step cannot run this model, in one line; None if it can."""
    if config.dim not in (16, 32, 64, 128):
        return f"dim {config.dim} (a power of two from 16 to 128)"
    if config.head_size & (config.head_size - 1):
        return f"head size {config.head_size} (a power of two)"
    if config.conv_width != WIDTH:
        return f"convolution width {config.conv_width} (only {WIDTH})"
    if config.output_gate:
        return "an output gate (its kernels have none)"
    return None


class FusedBackbone:
    """Loss, gradients and scores of a population, on the parameters of a `Backbone`.

    words: [P] int32, each member's vocabulary; logits beyond it count as -inf.
    """

    def __init__(self, model: Backbone, parameters: Parameters, words: Tensor) -> None:
        self.model, self.parameters, self.words = model, parameters, words
        self.config = model.config
        self.dtype = next(iter(parameters.low.values())).dtype
        self.layers = [
            Layer(f"blocks.{i}", block, parameters, self.config)  # type: ignore[arg-type]
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
            kept, hidden = self._decoded(body.x, positions)
            losses, dlogits = self._losses(hidden, targets)
            dx = self._decode_backward(kept, dlogits).to(self.dtype)
        else:
            losses, dlogits = self._losses(body.hidden, targets)
            dx = self._unembed_backward(body.x, dlogits)
        body.backward(dx)
        return losses

    def score(
        self, ids: Tensor, targets: Tensor, positions: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Mean losses [P] and the likeliest words [P, B, S] int32. Arguments as for `train`.

        Targets [P, K, B / K, S] give each of K batches its own mean, [P, K], and words of their
        shape.
        """
        with torch.no_grad():
            body = _Body(self, ids, self._last(ids) if self.decodes else positions, keep=False)
            hidden = self._decoded(body.x, positions)[1] if self.decodes else body.hidden
            logits = torch.bmm(hidden, self.parameters.low["unembed.weight"])
            return self._scores(logits, targets)

    def _scores(self, logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """`score` from the logits before the bias, [P, N, V]; to the loss a batch is a member."""
        rows = targets.shape[:-2].numel()
        bias, words = (
            x.unsqueeze(1).expand(-1, rows // len(x), *x.shape[1:]).flatten(0, 1)
            for x in (self.parameters.full["unembed.bias"], self.words)
        )
        logits = logits.view(rows, -1, logits.shape[-1])
        losses, found = score(logits, bias, words, targets.reshape(rows, -1).contiguous())
        return losses.view(targets.shape[:-2]), found.view(targets.shape)

    def _losses(self, hidden: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Losses and the logits' gradient from [P, N, D] behind the last norm; sets unembed's."""
        full, low, grads = self.parameters.full, self.parameters.low, self.parameters.grads
        logits = torch.bmm(hidden, low["unembed.weight"])
        bias, dbias = full["unembed.bias"], grads["unembed.bias"]
        losses = cross_entropy(logits, bias, self.words, targets.flatten(1).contiguous(), dbias)
        product_into(grads["unembed.weight"], hidden.mT, logits)
        return losses, logits

    def _unembed_backward(self, x: Tensor, dlogits: Tensor) -> Tensor:
        full, low, grads = self.parameters.full, self.parameters.low, self.parameters.grads
        norm, weight = NextNorm(full["norm.weight"]), low["unembed.weight"]
        eps, dnorm = self.config.norm_eps, grads["norm.weight"]
        return linear_backward(dlogits, weight, Stream(x), norm, eps, dnorm)

    def _decoded(self, z: Tensor, positions: Tensor | None) -> tuple[Decoded, Tensor]:
        """z: [P, B, D] -> what to keep, and [P, B S, D] behind the last norm."""
        assert isinstance(self.model, AutoEncoder)
        places = self.model.places if positions is None else self.model.places[positions]
        weights = decoder(self.parameters.full, self.parameters.low)
        return decode(z, places, weights, self.config.norm_eps)

    def _decode_backward(self, kept: Decoded, dlogits: Tensor) -> Tensor:
        full, low, grads = self.parameters.full, self.parameters.low, self.parameters.grads
        weights, into = decoder(full, low), decoder(grads, grads)
        unembed = low["unembed.weight"]
        return decode_backward(dlogits, unembed, kept, weights, self.config.norm_eps, into)

    @staticmethod
    def _last(ids: Tensor) -> Tensor:
        return torch.arange(ids.shape[-1] - 1, ids.shape[-1], device=ids.device)


def decoder(full: Views, low: Views) -> Decoder:
    """The decoder's tensors in two of the buffers."""
    return Decoder(
        full["decoder.0.weight"],
        low["decoder.1.weight"],
        full["decoder.1.bias"],
        full["decoder.3.weight"],
        low["decoder.4.weight"],
        full["decoder.4.bias"],
        full["norm.weight"],
    )


class _Body:
    """Embedding and blocks on one batch.

    x: [P, N, D] fp32, the last block's output at the positions; hidden: its RMSNorm in the compute
    type, except in the auto-encoder.
    """

    def __init__(
        self, owner: FusedBackbone, ids: Tensor, positions: Tensor | None, keep: bool
    ) -> None:
        self.owner, self.ids = owner, ids.flatten(1).contiguous()
        self.batch = Batch(ids.shape[1], ids.shape[2], positions)
        whole = Batch(ids.shape[1], ids.shape[2], None)
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
            batch = self.batch if layer is layers[-1] else Batch(*self.batch.shape, None)
            dx = layer.backward(dx, batch)
        embed_gradient(self.ids, dx, self.owner.parameters.grads["embed.weight"])
