"""P models with their parameters in one buffer: losses, gradients and scores of a batch.

Two engines give the same: the modules with autograd, and on a GPU in bf16 the fused kernels.
Legend: P members, B batch, T length, S scored positions, M numbers per member.
"""

import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Literal, Protocol

import torch
from torch import Tensor

from archer.model.backbone import Backbone
from archer.rules.peer import Peer
from archer.train.evaluate import member_losses
from archer.train.optimizer import FlatParameters

Precision = Literal["fp32", "bf16"]
# Parameters, and so members, start at multiples of so many numbers. Matrix products want 16 bytes;
# Triton asks whether 16 divides a member's size, and else reads weights two bytes at a time.
ALIGN = 16


class Engine(Protocol):
    """Computes a population's step. Arguments as for `FusedBackbone`."""

    def train(self, ids: Tensor, targets: Tensor, positions: Tensor | None) -> Tensor:
        """Mean losses [P]; sets the gradients."""

    def score(
        self, ids: Tensor, targets: Tensor, positions: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Mean losses [P] and the likeliest words [P, B, S]; of K batches [P, K], see there."""


class Network:
    """A population's model, its flat parameters, and what runs it.

    Members are rows of everything: `put` overwrites some with members of another network.
    """

    def __init__(self, model: Backbone, precision: Precision) -> None:
        self.model, self.precision = model, precision
        device = next(model.parameters()).device
        why = _unfusable(model) if device.type == "cuda" and precision == "bf16" else "no GPU"
        peer = isinstance(model.recipe.rule, Peer)  # for these nobody expects a fused step
        if device.type == "cuda" and precision == "bf16" and why and not peer:
            warnings.warn(f"the plain training step runs, not the fused one: {why}", stacklevel=2)
        self.flat = FlatParameters(model, model.members or 1, align=ALIGN, low=why is None)
        self.engine: Engine = _fused(self) if why is None else _Plain(self)

    @property
    def members(self) -> int:
        return self.flat.members

    @property
    def device(self) -> torch.device:
        return self.flat.values.device

    def _rows(self) -> list[Tensor]:
        """What belongs to a member, with the members as first axis."""
        return [self.flat.values, *self.model.member_buffers()]

    def put(self, rows: Sequence[int], other: "Network", theirs: Sequence[int]) -> None:
        """Members `rows` become copies of members `theirs` of another network of the same kind."""
        at = torch.tensor(list(rows), device=self.device)
        of = torch.tensor(list(theirs), device=other.device)
        for mine, whose in zip(self._rows(), other._rows(), strict=True):
            mine[at] = whose[of].to(self.device)
        if self.flat.low is not None:
            self.flat.low.copy_(self.flat.values)

    def resized(self, members: int, device: torch.device) -> "Network":
        """A network of the same kind for `members`, its values still to be `put`."""
        return Network(self.model.resized(members).to(device), self.precision)


def _unfusable(model: Backbone) -> str | None:
    from archer.model.fused import unsupported

    if isinstance(model.recipe.rule, Peer):
        return f"{model.recipe.rule.name} is no rule"
    return unsupported(model.config)


def _fused(network: Network) -> Engine:
    from archer.model.fused import FusedBackbone
    from archer.model.fused_layer import Parameters

    flat = network.flat
    assert flat.low is not None
    views = Parameters(flat.views(flat.values), flat.views(flat.low), flat.views(flat.grads))
    return FusedBackbone(network.model, views, network.model.words)


class _Plain:
    """The modules, autograd, and autocast for bf16."""

    def __init__(self, network: Network) -> None:
        self.model, self.flat, self.precision = network.model, network.flat, network.precision

    def train(self, ids: Tensor, targets: Tensor, positions: Tensor | None) -> Tensor:
        with self._autocast():
            losses = member_losses(self.model(ids, positions), targets)
            self.flat.backward(losses.sum())
        return losses.detach()

    @torch.no_grad()
    def score(
        self, ids: Tensor, targets: Tensor, positions: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        with self._autocast():
            logits = self.model(ids, positions)
            return member_losses(logits, targets), logits.argmax(-1)

    def _autocast(self) -> AbstractContextManager[object]:
        if self.precision == "fp32":
            return nullcontext()
        kind = self.flat.values.device.type
        # cached casts of parameters would be wrong when a CUDA graph is replayed
        return torch.autocast(kind, torch.bfloat16, cache_enabled=kind != "cuda")
