# Found by `archer research` (Archer 0.1.0): candidate e87934e2 of session 1, proposer evolution.
# Parents: fading_two_speed, fading_choosing.
# Motivation: cross_parts: A fast and a slow filter smooth what is written, half each. The memory
#   forgets a fixed fraction at every chunk. Inside the chunk each token chooses between linear and
#   softmax weights. Each parent is better somewhere; the child takes each part from one of them
# Bottleneck: memorization: 0.48 for fading_two_speed, 0.90 for fading_choosing (quick)
# Outcome: promoted. quick: +0.0536 against delta, above the bar of 0.0392; +0.0735 against the
#   parent.
# Validation accuracy on quick, mean over tasks: 0.7186, +0.0536 against delta (chosen by, so biased
#   upwards).
# fading_two_speed_choosing cannot be told from fading_two_speed on quick: +0.0746 (+0.0318 to
#   +0.1173) mean test accuracy over 5 fresh seeds, p = 0.0084, corrected 0.9
# fading_two_speed_choosing cannot be told from delta on quick: +0.0457 (-0.0069 to +0.0982) mean
#   test accuracy over 5 fresh seeds, p = 0.073, corrected 1
# fading_two_speed_choosing cannot be told from gated_delta on quick: +0.0095 (-0.0390 to +0.0580)
#   mean test accuracy over 5 fresh seeds, p = 0.62, corrected 1
# Record: records/2026-11-22-search-quick-h200, rule hash 31b0ac3f19719548.
"""Fading two speed choosing: the delta rule with 3 changes.

A fast and a slow filter smooth what is written, half each. The memory forgets a fixed fraction at
every chunk. Inside the chunk each token chooses between linear and softmax weights.

    A_ij = softmax_j(scale * q_i.k_j)                           (1)
    s_i = softness_i                                            (2)
    L_ij = (1 - s_i) * q_i.k_j + s_i * A_ij                     (3)
    fast_n = mu_fast * fast_{n-1} + (1 - mu_fast) * dS_n        (4)
    slow_n = mu_slow * slow_{n-1} + (1 - mu_slow) * dS_n        (5)
    S_n = lam * S_{n-1} + (fast_n + slow_n) / 2                 (6)

Made from `fading_two_speed` and `fading_choosing` by cross_parts. Each parent is better somewhere;
the child takes each part from one of them. Parts: step two_speeds(mu_fast=0.2 learned, mu_slow=0.95
learned); forget constant(lam=0.95); local token_mix(scale=1); chunk 32.
"""

from archer import Knob, Rule, Signal, causal_softmax

LAM = 0.95
SCALE = 1.0


class FadingTwoSpeedChoosing(Rule):
    mu_fast = Knob(0.2, low=0.0, high=0.7, learn=True)
    mu_slow = Knob(0.95, low=0.7, high=0.99, learn=True)
    softness = Signal("sigmoid")
    slots = ("fast", "slow")

    def local(self, scores, p):  # scores: [C, C]
        attention = causal_softmax(SCALE * scores)  # Eq. (1)
        softness = p.softness[:, None]  # Eq. (2)
        return (1 - softness) * scores + softness * attention  # Eq. (3)

    def write(self, S, dS, slots, p):  # [d_k, d_v] each
        fast = p.mu_fast * slots.fast + (1 - p.mu_fast) * dS  # Eq. (4)
        slow = p.mu_slow * slots.slow + (1 - p.mu_slow) * dS  # Eq. (5)
        return LAM * S + (fast + slow) / 2, {"fast": fast, "slow": slow}  # Eq. (6)
