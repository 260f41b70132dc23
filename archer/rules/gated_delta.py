"""Gated DeltaNet: the memory decays at every token by a learned, data-dependent amount.

    S_t = exp(g_t) * (I - beta_t k_t k_t^T) S_{t-1} + beta_t k_t v_t^T        (1)

The log-decay g_t <= 0 comes from the hidden state; everything else is DeltaNet. Yang, Kautz &
Hatamizadeh 2024, "Gated Delta Networks", arXiv 2412.06464, Eq. (10).
"""

from typing import ClassVar

from archer.rules.base import Rule, Signal


class GatedDelta(Rule):
    decay = Signal("log_decay")  # g of Eq. (1); the engine applies it between tokens and chunks
    # against DeltaNet in arXiv 2506.05233, Table 9
    expects: ClassVar = {"memorization": "up", "fuzzy-in-context-recall": "down"}
