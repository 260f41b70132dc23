"""`backward`, the whole way back for a small head; see `triton_codegen`."""

from archer.memory.kernels import Kernels
from archer.memory.writers.adjoint import (
    load_values,
    load_walk,
    start_walk,
    through_chunk,
    write_vjp,
)
from archer.memory.writers.inside import (
    inside_chunk,
    store_gradients,
    store_rest,
    towards_keys,
    zero_sums,
)
from archer.memory.writers.places import tokens_of_chunk
from archer.memory.writers.prepare import unit_keys
from archer.memory.writers.sums import store_knobs
from archer.memory.writers.tensors import backward_tensors
from archer.memory.writers.text import Text, kernel
from archer.memory.writers.tiles import pairwise_decay, store_rows


def backward(kernels: Kernels) -> str:
    """The whole way back for a small head: `adjoint`, with `gradients` of each chunk on the way."""
    strided, others = backward_tensors(kernels)
    text, body, end = Text(kernels), Text(kernels, depth=2), Text(kernels)
    start_walk(text)
    text.add("for back in range(M):")
    body.add("chunk = M - 1 - back")
    tokens_of_chunk(body)
    unit_keys(body)
    load_walk(body, state=True)
    U = load_values(body)
    write_vjp(body, U)
    through_chunk(body)
    zero_sums(body)
    value_sums(body, U)
    pairwise_decay(body)
    inside_chunk(body)
    towards_keys(body)
    store_gradients(body)
    store_rest(body)
    store_knobs(end, "program")
    return kernel("backward", [*strided, *others], strided, text, body, end)


def value_sums(text: Text, U: str) -> None:
    """For a small head, sums over columns of d_v: dL, Z Y^T [BC, BC]; dq, dk [BK, BC]; and dv.

    do, Y and Z are [BV, BC] here, S and ddS [BV, BK].
    """
    kernels = text.kernels
    text.add(
        f"dL = {text.dot('tl.trans(do)', 'Y', 'dL')}",
        f"ZY = {text.dot('tl.trans(Z)', 'Y', 'ZY')}",
        "dv = beta[None, :] * Z.to(tl.float32)",
        f"dq = {text.dot('tl.trans(S)', 'do', 'dq')}",
    )
    if kernels.has_decay:
        # apart: k . dk_end and k . dk are the adjoints of the two factors of the decay
        text.add(f"dk_end = {text.dot('tl.trans(ddS)', f'to_end[None, :] * {U}', 'dk_end')}")
    else:
        text.add(f"dk = {text.dot('tl.trans(ddS)', U, 'dk')}")
    text.add(f"dk = {text.dot('tl.trans(S)', text.by('from_start', '-dv'), 'dk')}")
    store_rows(text, "dv", "tl.trans(dv)", "vs", "v_ok")
