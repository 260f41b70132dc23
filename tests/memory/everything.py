"""Everything at once: a rule for the tests of the engine, not for use.

    u_t    = eta_t * exp(g_t) * u_t / (1 + |u_t|)                     (1)
    L_ij   = (1 - phi_j) * q_i.k_j + phi_i * softmax_j(q_i.k_j)       (2)
    m_n    = mu * m_{n-1} + tanh(dS_n)                                (3)
    S_n    = S_{n-1} + m_n / (1 + mu ** n)                            (4)

Every hook, every kind of input.
"""

from typing import Any

import torch

from archer import Knob, Rule, Signal, causal_softmax


class Everything(Rule):
    mu = Knob(0.6, low=0.0, high=1.0)
    eta = Signal("sigmoid")
    phi = Signal("sigmoid")
    decay = Signal("log_decay")
    slots = ("m",)
    chunk_size = 8

    def gate(self, U: Any, p: Any) -> Any:  # U: [C, d_v]; p.eta, p.decay: [C]
        size = torch.sqrt((U * U).sum(-1) + 1e-6)
        return (p.eta * torch.exp(p.decay) / (1 + size))[:, None] * U  # Eq. (1)

    def local(self, scores: Any, p: Any) -> Any:  # scores: [C, C]; p.phi: [C]
        return (1 - p.phi) * scores + p.phi[:, None] * causal_softmax(scores)  # Eq. (2)

    def write(self, S: Any, dS: Any, slots: Any, p: Any) -> Any:  # [d_k, d_v] each
        m = p.mu * slots.m + torch.tanh(dS)  # Eq. (3)
        return S + m / (1 + p.mu**p.step), {"m": m}  # Eq. (4)
