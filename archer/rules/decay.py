"""Decay: the memory forgets a fixed fraction at every chunk.

    S_n = lam * S_{n-1} + dS_n        (1)

The state-update variant of the published table; unlike Gated DeltaNet the decay is one number
and acts between chunks, not tokens.
"""

from typing import Any, ClassVar

from archer.rules.base import Knob, Rule


class Decay(Rule):
    lam = Knob(0.95, low=0.0, high=1.0)
    # forgets what is still asked for; on one chunk it is DeltaNet
    expects: ClassVar = {"in-context-recall": "down", "memorization": "same"}

    def write(self, S: Any, dS: Any, slots: Any, p: Any) -> Any:  # [d_k, d_v] each; p.lam: scalar
        return p.lam * S + dS  # Eq. (1)
