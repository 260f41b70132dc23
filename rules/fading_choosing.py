# Found by `archer research` (Archer 0.1.0): candidate 8cea847e of session 1, proposer evolution.
# Parents: decay.
# Motivation: soften_local: The memory forgets a fixed fraction at every chunk. Inside the chunk
#   each token chooses between linear and softmax weights. Linear weights blur tokens of one chunk
#   that are alike; a softmax tells them apart, and what fits one chunk is read from these weights
#   alone
# Bottleneck: memorization: 0.48 for decay, 0.87 for softmax_attention (quick)
# Outcome: promoted. quick: +0.0679 against delta, above the bar of 0.0392; +0.0664 against the
#   parent.
# Validation accuracy on quick, mean over tasks: 0.7329, +0.0679 against delta (chosen by, so biased
#   upwards).
# fading_choosing cannot be told from decay on quick: +0.0589 (-0.0072 to +0.1250) mean test
#   accuracy over 5 fresh seeds, p = 0.069, corrected 1
# fading_choosing cannot be told from delta on quick: +0.0507 (-0.0140 to +0.1153) mean test
#   accuracy over 5 fresh seeds, p = 0.095, corrected 1
# fading_choosing cannot be told from gated_delta on quick: +0.0145 (-0.0353 to +0.0643) mean test
#   accuracy over 5 fresh seeds, p = 0.46, corrected 1
# Record: records/2026-11-22-search-quick-h200, rule hash 27e648406c4e268a.
"""Fading choosing: the delta rule with 2 changes.

The memory forgets a fixed fraction at every chunk. Inside the chunk each token chooses between
linear and softmax weights.

    A_ij = softmax_j(scale * q_i.k_j)              (1)
    s_i = softness_i                               (2)
    L_ij = (1 - s_i) * q_i.k_j + s_i * A_ij        (3)
    S_n = lam * S_{n-1} + dS_n                     (4)

Made from `decay` by soften_local. Linear weights blur tokens of one chunk that are alike; a softmax
tells them apart, and what fits one chunk is read from these weights alone. Parts: forget
constant(lam=0.95); local token_mix(scale=1); chunk 32.
"""

from archer import Rule, Signal, causal_softmax

LAM = 0.95
SCALE = 1.0


class FadingChoosing(Rule):
    softness = Signal("sigmoid")

    def local(self, scores, p):  # scores: [C, C]
        attention = causal_softmax(SCALE * scores)  # Eq. (1)
        softness = p.softness[:, None]  # Eq. (2)
        return (1 - softness) * scores + softness * attention  # Eq. (3)

    def write(self, S, dS, slots, p):  # [d_k, d_v] each
        return LAM * S + dS  # Eq. (4)
