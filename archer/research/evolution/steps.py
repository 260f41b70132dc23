"""Kinds of step: what is made of a chunk's change and of those before it."""

from archer.research.evolution.parts import Kind, Line, Range

_MU = Range("mu", (0.5, 0.7, 0.8, 0.9, 0.95), 0.0, 0.99)
_RHO = Range("rho", (0.1, 0.2, 0.4), 0.0, 0.5)
_MU1 = Range("mu1", (0.5, 0.8, 0.9), 0.0, 0.99)
_MU2 = Range("mu2", (0.9, 0.99, 0.999), 0.0, 0.9999)
_LR = Range("lr", (0.01, 0.03, 0.1, 0.3, 1.0), 0.001, 2.0, log=True)
_EPS = Range("eps", (1e-8, 1e-6, 1e-4), 1e-12, 1.0, log=True, learnable=False)

_SMOOTHED = Line("m_n = mu * m_{n-1} + (1 - mu) * {X}", "m = {mu} * slots.m + (1 - {mu}) * {x}")
_MEAN = Line(
    "mean_n = mu1 * mean_{n-1} + (1 - mu1) * {X}", "mean = {mu1} * slots.mean + (1 - {mu1}) * {x}"
)
_SQUARE = Line(
    "square_n = mu2 * square_{n-1} + (1 - mu2) * {X} ** 2",
    "square = {mu2} * slots.square + (1 - {mu2}) * {x} * {x}",
)
_REST = Line("last_n = {X}", "last = {x}")

STEPS = (
    Kind("raw"),
    Kind(
        "momentum",
        noun="momentum",
        phrase="a low-pass filter smooths what is written",
        ranges=(_MU,),
        slots=("m",),
        lines=(_SMOOTHED,),
        result="m",
        symbol="m_n",
    ),
    Kind(
        "heavy",
        noun="heavy",
        phrase="what was written before is written again, fading (momentum without dampening)",
        ranges=(Range("mu", (0.2, 0.3, 0.5), 0.0, 0.7),),
        slots=("m",),
        lines=(Line("m_n = mu * m_{n-1} + {X}", "m = {mu} * slots.m + {x}"),),
        result="m",
        symbol="m_n",
    ),
    Kind(
        "nesterov",
        noun="nesterov",
        phrase="momentum looks one step ahead, as Nesterov's does",
        ranges=(_MU,),
        slots=("m",),
        lines=(
            _SMOOTHED,
            Line("a_n = mu * m_n + (1 - mu) * {X}", "ahead = {mu} * m + (1 - {mu}) * {x}"),
        ),
        result="ahead",
        symbol="a_n",
    ),
    Kind(
        "two_speeds",
        noun="two_speed",
        phrase="a fast and a slow filter smooth what is written, half each",
        ranges=(
            Range("mu_fast", (0.2, 0.3, 0.5), 0.0, 0.7),
            Range("mu_slow", (0.8, 0.9, 0.95), 0.7, 0.99),
        ),
        slots=("fast", "slow"),
        lines=(
            Line(
                "fast_n = mu_fast * fast_{n-1} + (1 - mu_fast) * {X}",
                "fast = {mu_fast} * slots.fast + (1 - {mu_fast}) * {x}",
            ),
            Line(
                "slow_n = mu_slow * slow_{n-1} + (1 - mu_slow) * {X}",
                "slow = {mu_slow} * slots.slow + (1 - {mu_slow}) * {x}",
            ),
        ),
        result="(fast + slow) / 2",
        symbol="(fast_n + slow_n) / 2",
    ),
    Kind(
        "trend",
        noun="trend",
        phrase="the change since the last chunk is carried on (an optimistic step)",
        ranges=(_RHO,),
        slots=("last",),
        lines=(
            _REST,
            Line(
                "a_n = {X} + rho * ({X} - last_{n-1})", "ahead = {x} + {rho} * ({x} - slots.last)"
            ),
        ),
        result="ahead",
        symbol="a_n",
        gain=2.0,
    ),
    Kind(
        "echo",
        noun="echo",
        phrase="a part of the last chunk's change is written once more",
        ranges=(_RHO,),
        slots=("last",),
        lines=(_REST, Line("a_n = {X} + rho * last_{n-1}", "echo = {x} + {rho} * slots.last")),
        result="echo",
        symbol="a_n",
        gain=1.5,
    ),
    Kind(
        "adam",
        noun="adam",
        phrase="the memory is stepped with Adam",
        ranges=(_MU1, _MU2, _LR, _EPS),
        slots=("mean", "square"),
        lines=(
            _MEAN,
            _SQUARE,
            Line(
                "z_n = lr * mean_n / sqrt(square_n + eps)",
                "adam = {lr} * mean / torch.sqrt(square + {eps})",
            ),
        ),
        result="adam",
        symbol="z_n",
    ),
    Kind(
        "corrected_adam",
        noun="adam",
        phrase="the memory is stepped with Adam, its first steps corrected for the zero start",
        ranges=(_MU1, _MU2, _LR, _EPS),
        slots=("mean", "square"),
        lines=(
            _MEAN,
            _SQUARE,
            Line("mean'_n = mean_n / (1 - mu1 ** n)", "mean_hat = mean / (1 - {mu1} ** p.step)"),
            Line(
                "square'_n = square_n / (1 - mu2 ** n)",
                "square_hat = square / (1 - {mu2} ** p.step)",
            ),
            Line(
                "z_n = lr * mean'_n / sqrt(square'_n + eps)",
                "adam = {lr} * mean_hat / torch.sqrt(square_hat + {eps})",
            ),
        ),
        result="adam",
        symbol="z_n",
    ),
    Kind(
        "second_moment",
        noun="adaptive",
        phrase="each entry's change is divided by its own recent size",
        ranges=(Range("mu2", (0.5, 0.8, 0.9), 0.0, 0.9999), _LR, _EPS),
        slots=("square",),
        lines=(
            _SQUARE,
            Line(
                "z_n = lr * {X} / sqrt(square_n + eps)",
                "adaptive = {lr} * {x} / torch.sqrt(square + {eps})",
            ),
        ),
        result="adaptive",
        symbol="z_n",
    ),
)

SHARE = Range("share", (0.05, 0.1, 0.2, 0.4), 0.0, 1.0)
