"""Momentum: a low-pass filter on what is written.

    m_n = mu * m_{n-1} + (1 - mu) * dS_n        (1)
    S_n = S_{n-1} + m_n                         (2)

Gradient descent with (dampened) momentum on the memory, one step per chunk; Polyak 1964.
"""

from typing import Any, ClassVar

from archer.rules.base import Knob, Rule


class Momentum(Rule):
    mu = Knob(0.9, low=0.0, high=1.0)
    slots = ("m",)
    # a low-pass filter averages noise out and blurs single pairs; on one chunk it is DeltaNet
    expects: ClassVar = {
        "noisy-in-context-recall": "up",
        "fuzzy-in-context-recall": "down",
        "memorization": "same",
    }

    def write(self, S: Any, dS: Any, slots: Any, p: Any) -> Any:  # [d_k, d_v] each; p.mu: scalar
        m = p.mu * slots.m + (1 - p.mu) * dS  # Eq. (1)
        return S + m, {"m": m}  # Eq. (2)
