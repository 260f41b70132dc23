"""What each generated kernel takes, in the order of its arguments; see `triton_codegen`."""

from archer.memory import names
from archer.memory.kernels import Kernels

Tensors = tuple[list[str], list[str]]
"""Those of [N, T, H, ...], which pass their strides, and the others."""


def prepare_tensors(kernels: Kernels) -> Tensors:
    tokens, knobs = _given(kernels)
    return tokens, [*knobs, *kernels.scales, "X", *kernels.weights]


def forward_tensors(kernels: Kernels) -> Tensors:
    (q, k, *tokens), knobs = _given(kernels)
    within = kernels.weights if kernels.single and kernels.folded else ("X", *kernels.weights)
    given = [*knobs, *kernels.scales, *within, "Y", *_states(kernels)]
    return [q, k, "v", *tokens, "o"], given


def adjoint_tensors(kernels: Kernels) -> Tensors:
    tokens, others = _way_back(kernels)
    states = [*_states(kernels), "ddS"]
    end = ["d_carry"] if kernels.has_decay else []
    return [*tokens, "dv"], [*others, *_through(kernels), *states, *end, *_hook_sums(kernels)]


def gradients_tensors(kernels: Kernels) -> Tensors:
    tokens, others = _way_back(kernels)
    decay = ["d_carry", "dg"] if kernels.has_decay else []
    given = [*others, "S", "ddS", *decay, "dbeta", *_hook_sums(kernels)]
    return [*tokens, "dq", "dk", "dv"], given


def backward_tensors(kernels: Kernels) -> Tensors:
    tokens, others = _way_back(kernels)
    kept = [*_through(kernels), *_states(kernels)]
    decay = ["dg"] if kernels.has_decay else []
    given = [*others, *kept, *decay, "dbeta", *_hook_sums(kernels)]
    return [*tokens, "dq", "dk", "dv"], given


def _given(kernels: Kernels) -> Tensors:
    """What every kernel reads."""
    decay = ["g"] if kernels.has_decay else []
    signals = [names.signal(name) for name in kernels.signals]
    return ["q", "k", "beta", *decay, *signals], [names.knob(name) for name in kernels.knobs]


def _way_back(kernels: Kernels) -> Tensors:
    """What every kernel of the backward pass reads."""
    tokens, knobs = _given(kernels)
    return [*tokens, "do"], [*knobs, *kernels.scales, "Y"]


def _states(kernels: Kernels) -> list[str]:
    """What is kept of S and the slots before each chunk, [N H, M, d_k, d_v]."""
    return ["S", *(names.slot(slot) for slot in kernels.saved_slots)]


def _through(kernels: Kernels) -> tuple[str, ...]:
    """What the way back through a chunk reads."""
    return kernels.weights if kernels.folded else ("X", *kernels.weights)


def _hook_sums(kernels: Kernels) -> list[str]:
    """Partial sums of signals [parts, N, T, H] and knobs [parts, N H]."""
    signals = [f"d{names.signal(name)}" for name in kernels.signals]
    return [*signals, *(f"d{names.knob(name)}" for name in kernels.trained)]
