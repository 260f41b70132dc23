# Found by `archer research` (Archer 0.1.0): candidate 4eef9dc8 of session 1, proposer evolution.
# Parents: gated_token_gated_momentum_soft.
# Motivation: consolidate, match_size: Each token decides by itself how much of it is written. A
#   low-pass filter smooths what is written. The step keeps its direction and takes the size of the
#   chunks change. The memory fades at every token by a learned amount. A slow copy follows the
#   memory and pulls it back. Inside the chunk softmax weights are mixed into the linear ones. What
#   was learned early is overwritten by later chunks; a slow copy holds it and pulls the memory
#   back. An accumulated or adaptive step has the wrong length at first; with the length of the
#   chunks own change only its direction is new
# Bottleneck: fuzzy-in-context-recall: 0.40 for gated_token_gated_momentum_soft, 0.54 for
#   gated_fading_choosing (quick)
# Outcome: promoted. quick: +0.0405 against delta, above the bar of 0.0392; +0.0008 against the
#   parent.
# Validation accuracy on quick, mean over tasks: 0.7055, +0.0405 against delta (chosen by, so biased
#   upwards).
# gated_token_gated_matched_momentum_anchored_soft cannot be told from
#   gated_token_gated_momentum_soft on quick: -0.0182 (-0.0591 to +0.0227) mean test accuracy over 5
#   fresh seeds, p = 0.28, corrected 1
# gated_token_gated_matched_momentum_anchored_soft cannot be told from delta on quick: +0.0254
#   (-0.0041 to +0.0549) mean test accuracy over 5 fresh seeds, p = 0.075, corrected 1
# gated_token_gated_matched_momentum_anchored_soft cannot be told from gated_delta on quick: -0.0107
#   (-0.0445 to +0.0230) mean test accuracy over 5 fresh seeds, p = 0.43, corrected 1
# Record: records/2026-11-22-search-quick-h200, rule hash 2809bb3f370a0c7b.
"""Gated token gated matched momentum anchored soft: the delta rule with 6 changes.

Each token decides by itself how much of it is written. A low-pass filter smooths what is written.
The step keeps its direction and takes the size of the chunk's change. The memory fades at every
token by a learned amount. A slow copy follows the memory and pulls it back. Inside the chunk
softmax weights are mixed into the linear ones.

    u_t <- openness_t * u_t                                                (1)
    A_ij = softmax_j(scale * q_i.k_j)                                      (2)
    L_ij = (1 - softness) * q_i.k_j + softness * A_ij                      (3)
    m_n = mu * m_{n-1} + (1 - mu) * dS_n                                   (4)
    y_n = (1 - share) * dS_n + share * m_n                                 (5)
    a_n = rms(dS_n) / rms(y_n),  rms(x) = sqrt(mean(x ** 2) + 1e-6)        (6)
    T_n = S_{n-1} + a_n * y_n                                              (7)
    anchor_n = anchor_{n-1} + pace * (T_n - anchor_{n-1})                  (8)
    S_n = T_n + pull * (anchor_n - T_n)                                    (9)

Made from `gated_token_gated_momentum_soft` by consolidate, match_size. What was learned early is
overwritten by later chunks; a slow copy holds it and pulls the memory back. An accumulated or
adaptive step has the wrong length at first; with the length of the chunk's own change only its
direction is new. Parts: gate token; second momentum(share=0.1 learned, mu=0.95 learned); size
matched; decay per_token; slow anchor(pace=0.05, pull=0.1 learned); local mix(softness=0.1 learned,
scale=1); chunk 32.
"""

import torch

from archer import Knob, Rule, Signal, causal_softmax

PACE = 0.05
SCALE = 1.0


class GatedTokenGatedMatchedMomentumAnchoredSoft(Rule):
    openness = Signal("sigmoid")
    share = Knob(0.1, low=0.0, high=1.0, learn=True)
    mu = Knob(0.95, low=0.0, high=0.99, learn=True)
    decay = Signal("log_decay")
    pull = Knob(0.1, low=0.0, high=1.0, learn=True)
    softness = Knob(0.1, low=0.0, high=1.0, learn=True)
    slots = ("m", "anchor")

    def gate(self, U, p):  # U: [C, d_v]
        return p.openness[:, None] * U  # Eq. (1)

    def local(self, scores, p):  # scores: [C, C]
        attention = causal_softmax(SCALE * scores)  # Eq. (2)
        return (1 - p.softness) * scores + p.softness * attention  # Eq. (3)

    def write(self, S, dS, slots, p):  # [d_k, d_v] each
        m = p.mu * slots.m + (1 - p.mu) * dS  # Eq. (4)
        y = (1 - p.share) * dS + p.share * m  # Eq. (5)
        ratio = torch.sqrt((dS * dS).mean() + 1e-6) / torch.sqrt((y * y).mean() + 1e-6)  # Eq. (6)
        written = S + ratio * y  # Eq. (7)
        anchor = slots.anchor + PACE * (written - slots.anchor)  # Eq. (8)
        S = written + p.pull * (anchor - written)  # Eq. (9)
        return S, {"m": m, "anchor": anchor}
