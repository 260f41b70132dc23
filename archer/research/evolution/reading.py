"""Kinds for what is read and what is let in: the gate, the decay, the weights in a chunk."""

from archer.research.evolution.parts import Kind, Line, Range

_ERROR = Line("e_t = sum_j u_tj ** 2", "error = (U * U).sum(-1)")
_GATED = "u_t <- open_t * u_t"

GATES = (
    Kind("open"),
    Kind(
        "error",
        noun="error_gated",
        phrase="a token writes in proportion to how wrong the memory was about it",
        ranges=(Range("tau", (0.003, 0.01, 0.03, 0.1), 1e-4, 1.0, log=True),),
        lines=(
            _ERROR,
            Line(
                "open_t = 1 - exp(-e_t / (tau * d_v))",
                "openness = 1 - torch.exp(-error / ({tau} * U.shape[-1]))",
            ),
        ),
        result="openness[:, None] * U",
        symbol=_GATED,
    ),
    Kind(
        "contrast",
        noun="contrast",
        phrase="a token writes more the larger its error is beside the chunk's other tokens",
        lines=(
            _ERROR,
            Line(
                "open_t = e_t / (e_t + mean_s(e_s) + 1e-6)",
                "openness = error / (error + error.mean() + 1e-6)",
            ),
        ),
        result="openness[:, None] * U",
        symbol=_GATED,
    ),
    Kind(
        "token",
        noun="token_gated",
        phrase="each token decides by itself how much of it is written",
        signals=(("openness", "sigmoid"),),
        result="p.openness[:, None] * U",
        symbol="u_t <- openness_t * u_t",
    ),
    Kind(
        "limit",
        noun="limited",
        phrase="no token's error counts for more than a ceiling",
        ranges=(Range("ceiling", (0.05, 0.1, 0.2, 0.5), 0.01, 2.0, log=True),),
        lines=(
            Line(
                "e_t = sqrt(mean_j(u_tj ** 2) + 1e-6)",
                "error = torch.sqrt((U * U).mean(-1) + 1e-6)",
            ),
            Line(
                "open_t = min(1, ceiling / e_t)",
                "openness = torch.clamp({ceiling} / error, max=1.0)",
            ),
        ),
        result="openness[:, None] * U",
        symbol=_GATED,
    ),
)

DECAYS = (
    Kind("none"),
    Kind(
        "per_token",
        noun="gated",
        phrase="the memory fades at every token by a learned amount",
        signals=(("decay", "log_decay"),),
    ),
)

_SCALE = Range("scale", (1.0, 4.0, 16.0, 64.0), 0.1, 256.0, log=True)
_SOFTMAX = Line("A_ij = softmax_j(scale * q_i.k_j)", "attention = causal_softmax({scale} * scores)")

LOCALS = (
    Kind("linear"),
    Kind(
        "softmax",
        noun="softmax",
        phrase="inside the chunk tokens are read with softmax weights",
        ranges=(_SCALE,),
        result="causal_softmax({scale} * scores)",
        symbol="L_ij = softmax_j(scale * q_i.k_j)",
    ),
    Kind(
        "mix",
        noun="soft",
        phrase="inside the chunk softmax weights are mixed into the linear ones",
        ranges=(Range("softness", (0.1, 0.3, 0.5, 0.7), 0.0, 1.0), _SCALE),
        lines=(_SOFTMAX,),
        result="(1 - {softness}) * scores + {softness} * attention",
        symbol="L_ij = (1 - softness) * q_i.k_j + softness * A_ij",
    ),
    Kind(
        "token_mix",
        noun="choosing",
        phrase="inside the chunk each token chooses between linear and softmax weights",
        ranges=(_SCALE,),
        signals=(("softness", "sigmoid"),),
        lines=(_SOFTMAX, Line("s_i = softness_i", "softness = p.softness[:, None]")),
        result="(1 - softness) * scores + softness * attention",
        symbol="L_ij = (1 - s_i) * q_i.k_j + s_i * A_ij",
    ),
)
