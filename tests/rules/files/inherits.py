"""Momentum that never forgets everything: a rule built on a built-in one."""

import torch

from archer import Knob
from archer.rules.momentum import Momentum


class Inherits(Momentum):
    floor = Knob(0.1, low=0.0, high=1.0)
    chunk_size = 16

    def write(self, S, dS, slots, p):
        state, new = super().write(S, dS, slots, p)
        return torch.maximum(state, p.floor * S), new
