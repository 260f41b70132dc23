"""AdamW for a population: all parameters of all members in one buffer.

Legend: P members, M numbers per member.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from archer.model.knobs import LOGIT

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8


class FlatParameters:
    """The parameters of a population as rows of one buffer, and their gradients likewise.

    values, grads: [P, M], in the order of `model.parameters()`, each parameter starting at a
    multiple of `align` numbers (zeros between). The model's parameters become views of `values`, so
    move the model to its device and dtype first.
    low: [P, M], the values in bf16, if asked for; AdamW keeps it up to date.
    decays: [M] bool, false for the logits of learned knobs.
    """

    def __init__(
        self, model: nn.Module, members: int, *, align: int = 1, low: bool = False
    ) -> None:
        named = dict(model.named_parameters())
        self.members, self.parameters = members, list(named.values())
        self.places: dict[str, slice] = {}
        first = 0
        for name, parameter in named.items():
            size = parameter[0].numel()
            self.places[name] = slice(first, first + size)
            first += -(-size // align) * align
        self.shapes = {name: parameter.shape for name, parameter in named.items()}
        self.values = self.parameters[0].new_zeros(members, first)
        self.grads = torch.zeros_like(self.values)
        self.decays = torch.ones(first, dtype=torch.bool, device=self.values.device)
        for name, view in self.views(self.values).items():
            view.copy_(named[name].detach())
            named[name].data = view
            if name.rpartition(".")[2].startswith(LOGIT):
                self.decays[self.places[name]] = False
        self.low = self.values.bfloat16() if low else None

    def views(self, buffer: Tensor) -> dict[str, Tensor]:
        """A buffer [P, M] seen as the parameters, by name."""
        return {
            name: buffer[:, place].view(self.shapes[name]) for name, place in self.places.items()
        }

    def backward(self, loss: Tensor) -> None:
        """Sets `grads` to the gradient of a scalar, zero for parameters it does not depend on."""
        found = torch.autograd.grad(loss, self.parameters, materialize_grads=True)
        parts, first = [], 0
        for grad, place in zip(found, self.places.values(), strict=True):
            parts += [self.grads.new_zeros(self.members, place.start - first)]
            parts += [grad.reshape(self.members, -1)]
            first = place.stop
        parts += [self.grads.new_zeros(self.members, self.grads.shape[1] - first)]
        torch.cat([part for part in parts if part.shape[1]], 1, out=self.grads)


class AdamW:
    """torch.optim.AdamW's arithmetic with a learning rate and a weight decay per member.

    lr, weight_decay: one per member, P each. Logits of learned knobs are not decayed. Members may
    be at different steps. Source: Loshchilov & Hutter (arXiv 1711.05101); betas 0.9 and 0.999, eps
    1e-8.
    """

    def __init__(
        self, flat: FlatParameters, lr: Sequence[float], weight_decay: Sequence[float]
    ) -> None:
        self.flat, device = flat, flat.values.device
        self.mean = torch.zeros_like(flat.values)
        self.square = torch.zeros_like(flat.values)
        # In double until the last moment, as torch.optim.AdamW has its numbers.
        self.steps = torch.zeros(flat.members, dtype=torch.float64, device=device)
        self.lr = torch.tensor(lr, dtype=torch.float64, device=device)
        self.weight_decay = torch.tensor(weight_decay, dtype=torch.float64, device=device)
        self.decays = None if flat.decays.all() else flat.decays
        self.everyone = torch.ones(flat.members, dtype=torch.bool, device=device)

    def restart(self, member: int, lr: float, weight_decay: float) -> None:
        """Forgets everything about a member, whose place another one takes."""
        for state in (self.mean, self.square, self.steps):
            state[member] = 0
        self.lr[member], self.weight_decay[member] = lr, weight_decay

    def step(self, active: Tensor | None = None) -> None:
        """One update of the members for which `active` ([P] bool) holds; None means all."""
        self.steps += 1 if active is None else active
        if self.flat.values.device.type == "cuda":
            self._fused(active)
        else:
            self._plain(active)

    def _fused(self, active: Tensor | None) -> None:
        from archer.train.kernels.adamw import adamw

        flat = self.flat
        adamw(
            flat.values,
            flat.grads,
            self.mean,
            self.square,
            flat.low,
            self.lr,
            self.weight_decay,
            self.steps,
            self.everyone.view(torch.int8) if active is None else active.view(torch.int8),
            None if self.decays is None else self.decays.view(torch.int8),
            (BETA1, BETA2),
            (math.log(BETA1), math.log(BETA2)),
            EPS,
        )

    def _plain(self, active: Tensor | None) -> None:
        values, grads = self.flat.values, self.flat.grads
        steps, lr = self.steps.unsqueeze(-1), self.lr.unsqueeze(-1)
        self.mean.lerp_(grads, 1 - BETA1)
        self.square.mul_(BETA2).addcmul_(grads, grads, value=1 - BETA2)
        size = (lr / -(1 - BETA1**steps)).to(values.dtype)
        root = (1 - BETA2**steps).sqrt().to(values.dtype)
        change = self.square.sqrt().div_(root).add_(EPS)
        torch.div(self.mean, change, out=change).mul_(size)
        shrink = (1 - lr * self.weight_decay.unsqueeze(-1)).to(values.dtype)
        if self.decays is not None:
            shrink = torch.where(self.decays, shrink, 1.0)
        if active is not None:
            rows = active.unsqueeze(-1)
            shrink, change = torch.where(rows, shrink, 1.0), torch.where(rows, change, 0.0)
        values.mul_(shrink).add_(change)
        if self.flat.low is not None:
            self.flat.low.copy_(values)
