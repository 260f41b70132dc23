"""Softmax attention: softmax weights inside the chunk, the delta rule between chunks.

    L_ij = exp(scale * q_i.k_j) / sum_{l <= i} exp(scale * q_i.k_l),  j <= i        (1)

q and k are normalised and q carries d_k ** -0.5, so scale = 1 is nearly a plain mean over the
chunk's past; scale = sqrt(d_k) gives a softmax of the cosine, scale = d_k a sharp one.
"""

from typing import Any, ClassVar

from archer.rules.base import Knob, Rule
from archer.rules.hooks import causal_softmax


class SoftmaxAttention(Rule):
    scale = Knob(1.0, low=1e-3, high=256.0, log=True)
    # Transformers memorize better than DeltaNet: 0.852 to 0.528 in arXiv 2406.06484, Fig. 3
    expects: ClassVar = {"memorization": "up"}

    def local(self, scores: Any, p: Any) -> Any:  # scores: [C, C]; p.scale: scalar
        return causal_softmax(p.scale * scores)  # Eq. (1)
