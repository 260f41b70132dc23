# Found by `archer research` (Archer 0.1.0): candidate aa8e9a18 of session 1, proposer evolution.
# Parents: gated_token_gated_momentum_soft, bounded_choosing.
# Motivation: cross_parts: A low-pass filter smooths what is written. Inside the chunk each token
#   chooses between linear and softmax weights. Each parent is better somewhere; the child takes
#   each part from one of them
# Bottleneck: fuzzy-in-context-recall: 0.40 for gated_token_gated_momentum_soft, 0.54 for
#   gated_fading_choosing (quick)
# Outcome: promoted. quick: +0.0723 against delta, above the bar of 0.0392; +0.0325 against the
#   parent.
# Validation accuracy on quick, mean over tasks: 0.7373, +0.0723 against delta (chosen by, so biased
#   upwards).
# momentum_choosing cannot be told from gated_token_gated_momentum_soft on quick: +0.0065 (-0.0119
#   to +0.0249) mean test accuracy over 5 fresh seeds, p = 0.38, corrected 1
# momentum_choosing cannot be told from delta on quick: +0.0501 (-0.0086 to +0.1089) mean test
#   accuracy over 5 fresh seeds, p = 0.077, corrected 1
# momentum_choosing cannot be told from gated_delta on quick: +0.0140 (-0.0278 to +0.0557) mean test
#   accuracy over 5 fresh seeds, p = 0.41, corrected 1
# Record: records/2026-11-22-search-quick-h200, rule hash 365804657166c8fc.
"""Momentum choosing: the delta rule with 2 changes.

A low-pass filter smooths what is written. Inside the chunk each token chooses between linear and
softmax weights.

    A_ij = softmax_j(scale * q_i.k_j)              (1)
    s_i = softness_i                               (2)
    L_ij = (1 - s_i) * q_i.k_j + s_i * A_ij        (3)
    m_n = mu * m_{n-1} + (1 - mu) * dS_n           (4)
    y_n = (1 - share) * dS_n + share * m_n         (5)
    S_n = S_{n-1} + y_n                            (6)

Made from `gated_token_gated_momentum_soft` and `bounded_choosing` by cross_parts. Each parent is
better somewhere; the child takes each part from one of them. Parts: second momentum(share=0.1
learned, mu=0.95 learned); local token_mix(scale=1); chunk 32.
"""

from archer import Knob, Rule, Signal, causal_softmax

SCALE = 1.0


class MomentumChoosing(Rule):
    share = Knob(0.1, low=0.0, high=1.0, learn=True)
    mu = Knob(0.95, low=0.0, high=0.99, learn=True)
    softness = Signal("sigmoid")
    slots = ("m",)

    def local(self, scores, p):  # scores: [C, C]
        attention = causal_softmax(SCALE * scores)  # Eq. (1)
        softness = p.softness[:, None]  # Eq. (2)
        return (1 - softness) * scores + softness * attention  # Eq. (3)

    def write(self, S, dS, slots, p):  # [d_k, d_v] each
        m = p.mu * slots.m + (1 - p.mu) * dS  # Eq. (4)
        y = (1 - p.share) * dS + p.share * m  # Eq. (5)
        return S + y, {"m": m}  # Eq. (6)
