"""Error-gated: a token writes in proportion to how wrong the memory was about it.

    e_t    = sum_j u_tj ** 2                            (1)
    gate_t = 1 - exp(-e_t / (tau * d_v))                (2)
    u_t    = gate_t * u_t                               (3)

`u_t` is the row of U for token t: the error of the prediction, already scaled by beta. Reading
uses the ungated U. At initialisation the mean of u ** 2 is about 0.008, so a tau far above 0.01
shuts the gate.
"""

from typing import Any, ClassVar

import torch

from archer.rules.base import Knob, Rule


class ErrorGated(Rule):
    tau = Knob(0.01, low=1e-4, high=1.0, log=True)
    # known pairs are not written again, which spares room; on one chunk it is DeltaNet
    expects: ClassVar = {"noisy-in-context-recall": "up", "memorization": "same"}

    def gate(self, U: Any, p: Any) -> Any:  # U: [C, d_v]; p.tau: scalar
        error = (U * U).sum(-1)  # Eq. (1)
        openness = 1 - torch.exp(-error / (p.tau * U.shape[-1]))  # Eq. (2)
        return openness[:, None] * U  # Eq. (3)
