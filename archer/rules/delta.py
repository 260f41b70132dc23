"""DeltaNet: the delta rule, written once per chunk.

    S_n = S_{n-1} + dS_n        (1)

Identical to the token-by-token delta rule for every chunk size. Yang et al. 2024, "Parallelizing
Linear Transformers with the Delta Rule over Sequence Length", arXiv 2406.06484.
"""

from typing import Any

from archer.rules.base import Rule


class Delta(Rule):
    def write(self, S: Any, dS: Any, slots: Any, p: Any) -> Any:  # [d_k, d_v] each
        return S + dS  # Eq. (1)
