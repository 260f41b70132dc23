"""Adam and softmax, mixed lightly: both changes at once, their shares learned.

    m_n  = mu1 * m_{n-1} + (1 - mu1) * dS_n                                     (1)
    v_n  = mu2 * v_{n-1} + (1 - mu2) * dS_n ** 2                                (2)
    S_n  = S_{n-1} + (1 - gamma) * dS_n + gamma * lr * m_n / sqrt(v_n + eps)    (3)
    L_ij = (1 - gamma_local) * q_i.k_j + gamma_local * softmax_j(q_i.k_j)       (4)

gamma and gamma_local are learned per layer and head and start at 0.1.
"""

from typing import Any, ClassVar

import torch

from archer.rules.base import Knob, Rule
from archer.rules.hooks import causal_softmax


class AdamSoftmax(Rule):
    gamma = Knob(0.1, low=0.0, high=1.0, learn=True)
    gamma_local = Knob(0.1, low=0.0, high=1.0, learn=True)
    lr = Knob(1.0, low=0.0, high=2.0)
    mu1 = Knob(0.9, low=0.0, high=0.9999)
    mu2 = Knob(0.999, low=0.0, high=0.9999)
    eps = Knob(1e-8, low=1e-12, high=1.0, log=True)
    slots = ("m", "v")
    expects: ClassVar = {"memorization": "up"}  # by its softmax part

    def local(self, scores: Any, p: Any) -> Any:  # scores: [C, C]; p.gamma_local: scalar
        softmax = causal_softmax(scores)
        return (1 - p.gamma_local) * scores + p.gamma_local * softmax  # Eq. (4)

    def write(self, S: Any, dS: Any, slots: Any, p: Any) -> Any:  # [d_k, d_v] each; p.*: scalars
        m = p.mu1 * slots.m + (1 - p.mu1) * dS  # Eq. (1)
        v = p.mu2 * slots.v + (1 - p.mu2) * dS**2  # Eq. (2)
        step = p.lr * m / torch.sqrt(v + p.eps)
        return S + (1 - p.gamma) * dS + p.gamma * step, {"m": m, "v": v}  # Eq. (3)
