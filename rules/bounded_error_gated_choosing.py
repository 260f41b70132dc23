# Found by `archer research` (Archer 0.1.0): candidate 3f96966b of session 1, proposer evolution.
# Parents: bounded_choosing.
# Motivation: gate_by_error: A token writes in proportion to how wrong the memory was about it. The
#   memory is scaled back to a capacity where it has outgrown it. Inside the chunk each token
#   chooses between linear and softmax weights. Tokens that the memory already predicts need no
#   writing; the room goes to those it gets wrong
# Bottleneck: fuzzy-in-context-recall: 0.47 for bounded_choosing, 0.54 for gated_fading_choosing
#   (quick)
# Outcome: promoted. quick: +0.0852 against delta, above the bar of 0.0392; +0.0170 against the
#   parent.
# Validation accuracy on quick, mean over tasks: 0.7502, +0.0852 against delta (chosen by, so biased
#   upwards).
# bounded_error_gated_choosing cannot be told from bounded_choosing on quick: +0.0228 (+0.0089 to
#   +0.0366) mean test accuracy over 5 fresh seeds, p = 0.01, corrected 1
# bounded_error_gated_choosing cannot be told from delta on quick: +0.0705 (+0.0061 to +0.1349) mean
#   test accuracy over 5 fresh seeds, p = 0.038, corrected 1
# bounded_error_gated_choosing cannot be told from gated_delta on quick: +0.0343 (-0.0126 to
#   +0.0813) mean test accuracy over 5 fresh seeds, p = 0.11, corrected 1
# Record: records/2026-11-22-search-quick-h200, rule hash d2e3ca87d672e630.
"""Bounded error gated choosing: the delta rule with 3 changes.

A token writes in proportion to how wrong the memory was about it. The memory is scaled back to a
capacity where it has outgrown it. Inside the chunk each token chooses between linear and softmax
weights.

    e_t = sum_j u_tj ** 2                          (1)
    open_t = 1 - exp(-e_t / (tau * d_v))           (2)
    u_t <- open_t * u_t                            (3)
    A_ij = softmax_j(scale * q_i.k_j)              (4)
    s_i = softness_i                               (5)
    L_ij = (1 - s_i) * q_i.k_j + s_i * A_ij        (6)
    s_n = sqrt(mean(S_{n-1} ** 2) + 1e-6)          (7)
    kept_n = min(1, capacity / s_n)                (8)
    S_n = kept_n * S_{n-1} + dS_n                  (9)

Made from `bounded_choosing` by gate_by_error. Tokens that the memory already predicts need no
writing; the room goes to those it gets wrong. Parts: gate error(tau=0.01 learned); forget
capacity(capacity=0.1); local token_mix(scale=1); chunk 32.
"""

import torch

from archer import Knob, Rule, Signal, causal_softmax

CAPACITY = 0.1
SCALE = 1.0


class BoundedErrorGatedChoosing(Rule):
    tau = Knob(0.01, low=0.0001, high=1.0, learn=True, log=True)
    softness = Signal("sigmoid")

    def gate(self, U, p):  # U: [C, d_v]
        error = (U * U).sum(-1)  # Eq. (1)
        openness = 1 - torch.exp(-error / (p.tau * U.shape[-1]))  # Eq. (2)
        return openness[:, None] * U  # Eq. (3)

    def local(self, scores, p):  # scores: [C, C]
        attention = causal_softmax(SCALE * scores)  # Eq. (4)
        softness = p.softness[:, None]  # Eq. (5)
        return (1 - softness) * scores + softness * attention  # Eq. (6)

    def write(self, S, dS, slots, p):  # [d_k, d_v] each
        size_now = torch.sqrt((S * S).mean() + 1e-6)  # Eq. (7)
        kept = torch.clamp(CAPACITY / size_now, max=1.0)  # Eq. (8)
        return kept * S + dS  # Eq. (9)
