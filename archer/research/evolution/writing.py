"""Kinds for what is written beside the step: its direction and size, forgetting, a slow copy."""

from archer.research.evolution.parts import Kind, Line, Range, root_mean_square

_SIZE = Range("size", (0.01, 0.03, 0.1, 0.3), 0.003, 1.0, log=True)

DIRECTIONS = (
    Kind("raw"),
    Kind(
        "rms",
        noun="even",
        phrase="every chunk's change has the same root mean square",
        ranges=(_SIZE,),
        lines=(
            Line("r_n = sqrt(mean({X} ** 2) + 1e-6)", f"rms = {root_mean_square('{x}')}"),
            Line("x_n = size * {X} / r_n", "x = {size} * {x} / rms"),
        ),
        result="x",
        symbol="x_n",
    ),
    Kind(
        "rows",
        noun="row_even",
        phrase="every row of the change, one per key dimension, has the same root mean square",
        ranges=(_SIZE,),
        lines=(
            Line(
                "r_n = sqrt(mean_j({X} ** 2) + 1e-6)", f"rms = {root_mean_square('{x}', rows=True)}"
            ),
            Line("x_n = size * {X} / r_n", "x = {size} * {x} / rms"),
        ),
        result="x",
        symbol="x_n",
    ),
    Kind(
        "clip",
        noun="clipped",
        phrase="a chunk's change is scaled down where its root mean square passes a bound",
        ranges=(Range("bound", (0.02, 0.05, 0.1, 0.2), 0.005, 1.0, log=True),),
        lines=(
            Line("r_n = sqrt(mean({X} ** 2) + 1e-6)", f"rms = {root_mean_square('{x}')}"),
            Line(
                "x_n = min(1, bound / r_n) * {X}",
                "x = torch.clamp({bound} / rms, max=1.0) * {x}",
            ),
        ),
        result="x",
        symbol="x_n",
    ),
    Kind(
        "squash",
        noun="squashed",
        phrase="large entries of the change saturate, small ones pass",
        ranges=(Range("width", (0.03, 0.1, 0.3), 0.01, 1.0, log=True),),
        lines=(Line("x_n = width * tanh({X} / width)", "x = {width} * torch.tanh({x} / {width})"),),
        result="x",
        symbol="x_n",
    ),
    Kind(
        "threshold",
        noun="sparse",
        phrase="entries of the change below a floor are not written",
        ranges=(Range("floor", (0.003, 0.01, 0.03), 1e-4, 0.3, log=True),),
        lines=(
            Line(
                "x_n = sign({X}) * max(|{X}| - floor, 0)",
                "x = torch.sign({x}) * torch.relu({x}.abs() - {floor})",
            ),
        ),
        result="x",
        symbol="x_n",
    ),
)

SIZES = (
    Kind("own"),
    Kind(
        "matched",
        noun="matched",
        phrase="the step keeps its direction and takes the size of the chunk's change",
        lines=(
            Line(
                "a_n = rms(dS_n) / rms({X}),  rms(x) = sqrt(mean(x ** 2) + 1e-6)",
                f"ratio = {root_mean_square('dS')} / {root_mean_square('{x}')}",
            ),
        ),
        result="ratio * {x}",
        symbol="a_n * {X}",
    ),
    Kind(
        "chosen",
        noun="striding",
        phrase="the tokens of a chunk choose together how large its step is",
        signals=(("stride", "sigmoid"),),
        lines=(Line("a_n = 2 * mean_t(stride_t)", "stride = 2 * p.stride.mean()"),),
        result="stride * {x}",
        symbol="a_n * {X}",
        gain=2.0,
    ),
)


def _surprise(rows: bool) -> tuple[Line, ...]:
    mean = "mean_j" if rows else "mean"
    return (
        Line(f"d_n = sqrt({mean}(dS_n ** 2) + 1e-6)", f"new = {root_mean_square('dS', rows)}"),
        Line(f"s_n = sqrt({mean}(S_{{n-1}} ** 2) + 1e-6)", f"old = {root_mean_square('S', rows)}"),
        Line("kept_n = 1 - rate * d_n / (d_n + s_n)", "kept = 1 - {rate} * new / (new + old)"),
    )


_RATE = Range("rate", (0.05, 0.1, 0.2, 0.4), 0.0, 1.0)

# Not learned: no gradient reaches it while the memory stays below it.
_CAPACITY = Range("capacity", (0.05, 0.1, 0.2, 0.5), 0.01, 2.0, log=True, learnable=False)

FORGETTING = (
    Kind("keep", result="S", symbol="S_{n-1}"),
    Kind(
        "constant",
        noun="fading",
        phrase="the memory forgets a fixed fraction at every chunk",
        ranges=(Range("lam", (0.8, 0.9, 0.95, 0.98), 0.0, 1.0),),
        result="{lam} * S",
        symbol="lam * S_{n-1}",
    ),
    Kind(
        "surprise",
        noun="surprised",
        phrase="the memory forgets more where a chunk changes it more",
        ranges=(_RATE,),
        lines=_surprise(rows=False),
        result="kept * S",
        symbol="kept_n * S_{n-1}",
    ),
    Kind(
        "row_surprise",
        noun="row_surprised",
        phrase="each row of the memory forgets more where a chunk changes it more",
        ranges=(_RATE,),
        lines=_surprise(rows=True),
        result="kept * S",
        symbol="kept_n * S_{n-1}",
    ),
    Kind(
        "capacity",
        noun="bounded",
        phrase="the memory is scaled back to a capacity where it has outgrown it",
        ranges=(_CAPACITY,),
        lines=(
            Line("s_n = sqrt(mean(S_{n-1} ** 2) + 1e-6)", f"size_now = {root_mean_square('S')}"),
            Line(
                "kept_n = min(1, capacity / s_n)",
                "kept = torch.clamp({capacity} / size_now, max=1.0)",
            ),
        ),
        result="kept * S",
        symbol="kept_n * S_{n-1}",
    ),
)

SLOW = (
    Kind("none"),
    Kind(
        "anchor",
        noun="anchored",
        phrase="a slow copy follows the memory and pulls it back",
        ranges=(
            Range("pace", (0.05, 0.1, 0.3), 0.0, 1.0),
            Range("pull", (0.05, 0.1, 0.3), 0.0, 1.0),
        ),
        slots=("anchor",),
        lines=(
            Line(
                "anchor_n = anchor_{n-1} + pace * ({X} - anchor_{n-1})",
                "anchor = slots.anchor + {pace} * ({x} - slots.anchor)",
            ),
        ),
        result="{x} + {pull} * (anchor - {x})",
        symbol="{X} + pull * (anchor_n - {X})",
    ),
)
