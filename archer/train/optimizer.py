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

    values, grads: [P, M], in the order of `model.parameters()`. The model's parameters become views
    of `values`, so move the model to its device and dtype first.
    decays: [M] bool, false for the logits of learned knobs.
    """

    def __init__(self, model: nn.Module, members: int) -> None:
        named = dict(model.named_parameters())
        self.members, self.parameters = members, list(named.values())
        rows = [parameter.detach().reshape(members, -1) for parameter in self.parameters]
        self.values = torch.cat(rows, 1)
        self.grads = torch.zeros_like(self.values)
        self.decays = torch.ones(self.values.shape[1], dtype=torch.bool, device=rows[0].device)
        first = 0
        for (name, parameter), row in zip(named.items(), rows, strict=True):
            place = slice(first, first := first + row.shape[1])
            parameter.data = self.values[:, place].view(parameter.shape)
            if name.rpartition(".")[2].startswith(LOGIT):
                self.decays[place] = False

    def backward(self, loss: Tensor) -> None:
        """Sets `grads` to the gradient of a scalar, zero for parameters it does not depend on."""
        found = torch.autograd.grad(loss, self.parameters, materialize_grads=True)
        torch.cat([grad.reshape(self.members, -1) for grad in found], 1, out=self.grads)


class AdamW:
    """torch.optim.AdamW's arithmetic with a learning rate and a weight decay per member.

    lr, weight_decay: one per member, P each. Logits of learned knobs are not decayed.
    Source: Loshchilov & Hutter (arXiv 1711.05101); betas 0.9 and 0.999, eps 1e-8.
    """

    def __init__(
        self, flat: FlatParameters, lr: Sequence[float], weight_decay: Sequence[float]
    ) -> None:
        self.flat, self.steps = flat, 0
        self.mean = torch.zeros_like(flat.values)
        self.square = torch.zeros_like(flat.values)
        device, dtype = flat.values.device, flat.values.dtype
        # In double until the last moment, as torch.optim.AdamW has its numbers.
        self.lr = torch.tensor(lr, dtype=torch.float64).unsqueeze(-1).to(device)
        decay = self.lr * torch.tensor(weight_decay, dtype=torch.float64).unsqueeze(-1).to(device)
        self.shrink = (1 - decay).to(dtype)
        if not flat.decays.all():
            self.shrink = torch.where(flat.decays, self.shrink, 1.0)

    def step(self, active: Tensor | None = None) -> None:
        """One update of the members for which `active` ([P] bool) holds; None means all."""
        self.steps += 1
        values, grads = self.flat.values, self.flat.grads
        self.mean.lerp_(grads, 1 - BETA1)
        self.square.mul_(BETA2).addcmul_(grads, grads, value=1 - BETA2)
        size = (self.lr / -(1 - BETA1**self.steps)).to(values.dtype)
        change = self.square.sqrt().div_(math.sqrt(1 - BETA2**self.steps)).add_(EPS)
        torch.div(self.mean, change, out=change).mul_(size)
        shrink = self.shrink
        if active is not None:
            rows = active.unsqueeze(-1)
            shrink, change = torch.where(rows, shrink, 1.0), torch.where(rows, change, 0.0)
        values.mul_(shrink).add_(change)
