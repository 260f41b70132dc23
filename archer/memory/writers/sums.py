"""Sums that become the gradients of a rule's knobs and signals; see `triton_codegen`."""

from collections.abc import Mapping

from archer.memory import names
from archer.memory.writers.text import Text


def zero_knobs(text: Text) -> None:
    text.add(*(f"{names.knob_sum(name)} = 0.0" for name in text.kernels.trained))


def zero_signals(text: Text) -> None:
    for name in text.kernels.signals:
        text.add(f"d{names.signal(name)} = tl.zeros([BC], tl.float32)")


def collect(text: Text, outputs: Mapping[str, str], *, transposed: bool) -> None:
    """Add what a hook's vector-Jacobian product gives. transposed: as the hook was written."""
    for name in text.kernels.trained:
        if f"grad.knob.{name}" in outputs:
            text.add(f"{names.knob_sum(name)} += {outputs[f'grad.knob.{name}']}")
    for name in text.kernels.signals:
        if f"grad.signal.{name}" in outputs:
            row = outputs[f"grad.signal.{name}"]  # [1, BC], or transposed [BC, 1]
            row = f"tl.trans({row})" if transposed else row
            text.add(f"d{names.signal(name)} += tl.sum({row}, 0)")


def store_knobs(text: Text, place: str) -> None:
    for name in text.kernels.trained:
        text.add(f"tl.store(d{names.knob(name)}_ptr + {place}, {names.knob_sum(name)})")


def store_signals(text: Text, part: str) -> None:
    """Partial sums, [parts, N, T, H]."""
    for name in text.kernels.signals:
        text.add(
            f"at = ({part} + n * H) * T + t * H + h",
            f"tl.store(d{names.signal(name)}_ptr + at, d{names.signal(name)}, mask=t_ok)",
        )
