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
from archer.model.fused_layer import Batch, Layer, Parameters
from archer.model.kernels.conv import WIDTH
from archer.model.kernels.embed import NextNorm, Stream, embed_gradient, embed_norm
from archer.model.kernels.linear import linear_backward
from archer.model.kernels.loss import cross_entropy, score
from archer.model.kernels.mlp_backward import product_into


def unsupported(config: ModelConfig) -> str | None:
    """Why the fused step cannot run this model, in one line; None if it can."""
    if config.dim not in (16, 32, 64, 128):
        return f"dim {config.dim} (a power of two from 16 to 128)"
    if config.head_size & (config.head_size - 1):
        return f"head size {config.head_size} (a power of two)"
    if config.conv_width != WIDTH:
        return f"convolution width {config.conv_width} (only {WIDTH})"
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
