# Found by `archer research` (Archer 0.1.0): candidate 5cba7475 of session 1, proposer evolution.
# Parents: fading_choosing.
# Motivation: bound_memory: The memory is scaled back to a capacity where it has outgrown it. Inside
#   the chunk each token chooses between linear and softmax weights. Reading is normalised but
#   writing is relative to what the memory holds; a bound on its size keeps late tokens as loud as
#   early ones
# Bottleneck: fuzzy-in-context-recall: 0.44 for fading_choosing, 0.51 for token_gated_soft (quick)
# Outcome: promoted. quick: +0.0682 against delta, above the bar of 0.0392; +0.0003 against the
#   parent.
# Validation accuracy on quick, mean over tasks: 0.7332, +0.0682 against delta (chosen by, so biased
#   upwards).
# bounded_choosing cannot be told from fading_choosing on quick: -0.0029 (-0.0248 to +0.0189) mean
#   test accuracy over 5 fresh seeds, p = 0.73, corrected 1
# bounded_choosing cannot be told from delta on quick: +0.0477 (-0.0154 to +0.1109) mean test
#   accuracy over 5 fresh seeds, p = 0.1, corrected 1
# bounded_choosing cannot be told from gated_delta on quick: +0.0116 (-0.0333 to +0.0564) mean test
#   accuracy over 5 fresh seeds, p = 0.51, corrected 1
# Record: records/2026-11-22-search-quick-h200, rule hash d45376e94021b6c3.
"""Bounded choosing: the delta rule with 2 changes.

The memory is scaled back to a capacity where it has outgrown it. Inside the chunk each token
chooses between linear and softmax weights.

    A_ij = softmax_j(scale * q_i.k_j)              (1)
    s_i = softness_i                               (2)
    L_ij = (1 - s_i) * q_i.k_j + s_i * A_ij        (3)
    s_n = sqrt(mean(S_{n-1} ** 2) + 1e-6)          (4)
    kept_n = min(1, capacity / s_n)                (5)
    S_n = kept_n * S_{n-1} + dS_n                  (6)

Made from `fading_choosing` by bound_memory. Reading is normalised but writing is relative to what
the memory holds; a bound on its size keeps late tokens as loud as early ones. Parts: forget
capacity(capacity=0.1); local token_mix(scale=1); chunk 32.
"""

import torch

from archer import Rule, Signal, causal_softmax

CAPACITY = 0.1
SCALE = 1.0


class BoundedChoosing(Rule):
    softness = Signal("sigmoid")

    def local(self, scores, p):  # scores: [C, C]
        attention = causal_softmax(SCALE * scores)  # Eq. (1)
        softness = p.softness[:, None]  # Eq. (2)
        return (1 - softness) * scores + softness * attention  # Eq. (3)

    def write(self, S, dS, slots, p):  # [d_k, d_v] each
        size_now = torch.sqrt((S * S).mean() + 1e-6)  # Eq. (4)
        kept = torch.clamp(CAPACITY / size_now, max=1.0)  # Eq. (5)
        return kept * S + dS  # Eq. (6)
