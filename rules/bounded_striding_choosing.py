# Found by `archer research` (Archer 0.1.0): candidate e521b1f5 of session 1, proposer evolution.
# Parents: fading_striding_choosing.
# Motivation: bound_memory: The tokens of a chunk choose together how large its step is. The memory
#   is scaled back to a capacity where it has outgrown it. Inside the chunk each token chooses
#   between linear and softmax weights. Reading is normalised but writing is relative to what the
#   memory holds; a bound on its size keeps late tokens as loud as early ones
# Bottleneck: fuzzy-in-context-recall: 0.41 for fading_striding_choosing, 0.54 for
#   gated_fading_choosing (quick)
# Outcome: promoted. quick: +0.0667 against delta, above the bar of 0.0392; +0.0078 against the
#   parent.
# Validation accuracy on quick, mean over tasks: 0.7317, +0.0667 against delta (chosen by, so biased
#   upwards).
# bounded_striding_choosing cannot be told from fading_striding_choosing on quick: -0.0041 (-0.0191
#   to +0.0108) mean test accuracy over 5 fresh seeds, p = 0.49, corrected 1
# bounded_striding_choosing cannot be told from delta on quick: +0.0397 (-0.0259 to +0.1053) mean
#   test accuracy over 5 fresh seeds, p = 0.17, corrected 1
# bounded_striding_choosing cannot be told from gated_delta on quick: +0.0036 (-0.0474 to +0.0545)
#   mean test accuracy over 5 fresh seeds, p = 0.85, corrected 1
# Record: records/2026-11-22-search-quick-h200, rule hash df7eb1e57bfbddd9.
"""Bounded striding choosing: the delta rule with 3 changes.

The tokens of a chunk choose together how large its step is. The memory is scaled back to a capacity
where it has outgrown it. Inside the chunk each token chooses between linear and softmax weights.

    A_ij = softmax_j(scale * q_i.k_j)              (1)
    s_i = softness_i                               (2)
    L_ij = (1 - s_i) * q_i.k_j + s_i * A_ij        (3)
    a_n = 2 * mean_t(stride_t)                     (4)
    s_n = sqrt(mean(S_{n-1} ** 2) + 1e-6)          (5)
    kept_n = min(1, capacity / s_n)                (6)
    S_n = kept_n * S_{n-1} + a_n * dS_n            (7)

Made from `fading_striding_choosing` by bound_memory. Reading is normalised but writing is relative
to what the memory holds; a bound on its size keeps late tokens as loud as early ones. Parts: size
chosen; forget capacity(capacity=0.05); local token_mix(scale=1); chunk 32.
"""

import torch

from archer import Rule, Signal, causal_softmax

CAPACITY = 0.05
SCALE = 1.0


class BoundedStridingChoosing(Rule):
    stride = Signal("sigmoid")
    softness = Signal("sigmoid")

    def local(self, scores, p):  # scores: [C, C]
        attention = causal_softmax(SCALE * scores)  # Eq. (1)
        softness = p.softness[:, None]  # Eq. (2)
        return (1 - softness) * scores + softness * attention  # Eq. (3)

    def write(self, S, dS, slots, p):  # [d_k, d_v] each
        stride = 2 * p.stride.mean()  # Eq. (4)
        size_now = torch.sqrt((S * S).mean() + 1e-6)  # Eq. (5)
        kept = torch.clamp(CAPACITY / size_now, max=1.0)  # Eq. (6)
        return kept * S + stride * dS  # Eq. (7)
