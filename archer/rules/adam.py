"""Adam: the memory is stepped with Adam, one step per chunk.

    m_n = mu1 * m_{n-1} + (1 - mu1) * dS_n                          (1)
    v_n = mu2 * v_{n-1} + (1 - mu2) * dS_n ** 2                     (2)
    S_n = S_{n-1} + lr * m_n / sqrt(v_n + eps)                      (3)

Kingma & Ba 2015, arXiv 1412.6980, with eps inside the root and no bias correction by default;
`bias_correction` = 1 divides m_n by 1 - mu1 ** n and v_n by 1 - mu2 ** n. Without it the first
step is 3.16 * sign(dS), whatever the size of dS.
"""

from typing import Any, ClassVar

import torch

from archer.rules.base import Knob, Rule


class Adam(Rule):
    lr = Knob(1.0, low=0.0, high=2.0)
    mu1 = Knob(0.9, low=0.0, high=0.9999)
    mu2 = Knob(0.999, low=0.0, high=0.9999)
    eps = Knob(1e-8, low=1e-12, high=1.0, log=True)
    bias_correction = Knob(0.0, low=0.0, high=1.0)
    slots = ("m", "v")
    # the sign-like step forgets how large a write was; on one chunk it is DeltaNet
    expects: ClassVar = {"in-context-recall": "down", "memorization": "same"}

    def write(self, S: Any, dS: Any, slots: Any, p: Any) -> Any:  # [d_k, d_v] each; p.*: scalars
        m = p.mu1 * slots.m + (1 - p.mu1) * dS  # Eq. (1)
        v = p.mu2 * slots.v + (1 - p.mu2) * dS**2  # Eq. (2)
        m_hat = m / (1 - p.bias_correction * p.mu1**p.step)
        v_hat = v / (1 - p.bias_correction * p.mu2**p.step)
        return S + p.lr * m_hat / torch.sqrt(v_hat + p.eps), {"m": m, "v": v}  # Eq. (3)
