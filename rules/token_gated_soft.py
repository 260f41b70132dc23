# Found by `archer research` (Archer 0.1.0): candidate 78413b27 of session 1, proposer evolution.
# Parents: adam_softmax.
# Motivation: gate_by_token, simplify: Each token decides by itself how much of it is written.
#   Inside the chunk softmax weights are mixed into the linear ones. beta scales reading and writing
#   together; a gate of its own lets a token be read against the memory without being written, as
#   blanks and noise should be. Not every part earns its place; without this one the rule is smaller
#   and cheaper
# Bottleneck: selective-copying: 0.41 for adam_softmax, 0.86 for decay (quick)
# Outcome: promoted. quick: +0.0669 against delta, above the bar of 0.0392; +0.1283 against the
#   parent.
# Validation accuracy on quick, mean over tasks: 0.7319, +0.0669 against delta (chosen by, so biased
#   upwards).
# token_gated_soft cannot be told from adam_softmax on quick: +0.1277 (+0.0892 to +0.1662) mean test
#   accuracy over 5 fresh seeds, p = 0.00077, corrected 0.083
# token_gated_soft cannot be told from delta on quick: +0.0296 (-0.0297 to +0.0889) mean test
#   accuracy over 5 fresh seeds, p = 0.24, corrected 1
# token_gated_soft cannot be told from gated_delta on quick: -0.0066 (-0.0418 to +0.0287) mean test
#   accuracy over 5 fresh seeds, p = 0.63, corrected 1
# Record: records/2026-11-22-search-quick-h200, rule hash 4c86852e07af7c29.
"""Token gated soft: the delta rule with 2 changes.

Each token decides by itself how much of it is written. Inside the chunk softmax weights are mixed
into the linear ones.

    u_t <- openness_t * u_t                                  (1)
    A_ij = softmax_j(scale * q_i.k_j)                        (2)
    L_ij = (1 - softness) * q_i.k_j + softness * A_ij        (3)

Made from `adam_softmax` by gate_by_token, simplify. beta scales reading and writing together; a
gate of its own lets a token be read against the memory without being written, as blanks and noise
should be. Not every part earns its place; without this one the rule is smaller and cheaper. Parts:
gate token; local mix(softness=0.1 learned, scale=1); chunk 32.
"""

from archer import Knob, Rule, Signal, causal_softmax

SCALE = 1.0


class TokenGatedSoft(Rule):
    openness = Signal("sigmoid")
    softness = Knob(0.1, low=0.0, high=1.0, learn=True)

    def gate(self, U, p):  # U: [C, d_v]
        return p.openness[:, None] * U  # Eq. (1)

    def local(self, scores, p):  # scores: [C, C]
        attention = causal_softmax(SCALE * scores)  # Eq. (2)
        return (1 - p.softness) * scores + p.softness * attention  # Eq. (3)
