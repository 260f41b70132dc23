"""Changes torch and archer, in the hope that others use them after it."""

import torch

import archer.rules.ops
import archer.rules.validate
from archer import Rule

torch.where = torch.softmax = lambda *args, **kwargs: "patched"
torch.Tensor.__add__ = lambda a, b: "patched"
archer.rules.validate.check_rule = lambda rule: None
archer.rules.ops.looks_ahead = lambda hook, dim: False


class Hostile(Rule):
    def write(self, S, dS, slots, p):
        return 0.5 * S + dS
