"""`backward`, the whole way back for a small head; see `triton_codegen`."""

from archer.memory import names
from archer.memory.kernel_adjoint import (
    hook_gradients,
    inputs,
    load_values,
    load_walk,
    start_walk,
    through_chunk,
    through_tensors,
    write_vjp,
)
from archer.memory.kernel_forward import unit_keys
from archer.memory.kernel_gradients import (
    inside_chunk,
    store_gradients,
    store_rest,
    towards_keys,
    value_sums,
    zero_sums,
)
from archer.memory.kernel_text import Text, kernel
from archer.memory.kernels import Kernels


def backward_tensors(kernels: Kernels) -> tuple[list[str], list[str]]:
    """(tensors of [N, T, H, ...], others) that `backward` takes, in their order."""
    strided, others = inputs(kernels)
    saved = ["S", *(names.slot(slot) for slot in kernels.saved_slots)]
    decay = ["dg"] if kernels.has_decay else []
    given = [*others, *through_tensors(kernels), *saved, *decay, "dbeta", *hook_gradients(kernels)]
    return [*strided, "dq", "dk", "dv"], given


def backward(kernels: Kernels) -> str:
    """The whole way back for a small head: `adjoint`, with `gradients` of each chunk on the way."""
    strided, others = backward_tensors(kernels)
    text, body, end = Text(kernels), Text(kernels, depth=2), Text(kernels)
    start_walk(text)
    text.add("for back in range(M):")
    body.add("chunk = M - 1 - back")
    body.chunk()
    unit_keys(body)
    load_walk(body, state=True)
    U = load_values(body)
    write_vjp(body, U)
    through_chunk(body)
    zero_sums(body)
    value_sums(body, U)
    body.pairwise_decay()
    inside_chunk(body)
    towards_keys(body)
    store_gradients(body)
    store_rest(body)
    for name in kernels.trained:
        end.add(f"tl.store(d{names.knob(name)}_ptr + program, {names.knob_sum(name)})")
    return kernel("backward", [*strided, *others], strided, text, body, end)
