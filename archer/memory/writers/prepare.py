"""`prepare`, the kernel that makes of a chunk what does not depend on S; see `triton_codegen`."""

from archer.memory.kernels import Kernels
from archer.memory.writers.inverse import inverse, product
from archer.memory.writers.places import at, one_chunk, tokens_of_chunk
from archer.memory.writers.tensors import prepare_tensors
from archer.memory.writers.text import Text, kernel
from archer.memory.writers.tiles import (
    load_beta,
    load_decay,
    load_knobs,
    load_rows,
    load_signals,
    pairwise_decay,
)


def prepare(kernels: Kernels) -> str:
    """Norms, X, and L or its fold of one chunk: all that does not depend on S."""
    strided, others = prepare_tensors(kernels)
    text = Text(kernels)
    one_chunk(text)
    tokens_of_chunk(text)
    load_knobs(text)
    unit_keys(text)
    for name in kernels.scales:
        text.add(f"tl.store({name}_ptr + tile * BC + row, {name})")
    load_beta(text)
    load_decay(text)
    load_signals(text)
    weights_in_chunk(text)
    text.add(f"tl.store({at('X', 'square')}, X.to(X_ptr.dtype.element_ty))")
    store_weights(text, kernels.weights[:1])
    if not kernels.folded:
        return kernel("prepare", [*strided, *others], strided, text)
    last = Text(kernels, depth=2)
    text.add("if chunk + 1 < M:")  # nobody reads the state after the last
    towards_state(last)
    store_weights(last, kernels.weights[1:])
    return kernel("prepare", [*strided, *others], strided, text, last)


def unit_keys(text: Text) -> None:
    """The chunk's k (unit) and q (unit, scaled), [BC, BK], and what they were multiplied by."""
    for name in ("q", "k"):
        load_rows(text, name, "ks", "k_ok")
        text.add(f"{name} = {name}.to(tl.float32)")
        if text.kernels.shape.unit:
            text.add(
                f"{name}_scale = tl.rsqrt(tl.sum({name} * {name}, 1) + 1e-6)",
                f"{name} = {name} * {name}_scale[:, None]",
            )
    text.add("q = (q * SCALE).to(q_ptr.dtype.element_ty)", "k = k.to(k_ptr.dtype.element_ty)")


def within_chunk(text: Text) -> None:
    """X, and L or W and E, [BC, BC] and [BC, BK]."""
    weights_in_chunk(text)
    if text.kernels.folded:
        towards_state(text)


def weights_in_chunk(text: Text) -> None:
    """X, and L or W, [BC, BC]."""
    pairwise_decay(text)
    local_weights(text)
    inverse(text)
    if text.kernels.folded:
        product(text, "W", "L", "X")


def store_weights(text: Text, names: tuple[str, ...]) -> None:
    """What the backward pass reads of a chunk."""
    for name in names:
        place, mask = ("rows_k", "k_ok[None, :]") if name == "E" else ("square", "None")
        where = at(name, place)
        text.add(f"tl.store({where}, {name}.to({name}_ptr.dtype.element_ty), {mask})")


def local_weights(text: Text) -> None:
    """L = local(P), masked again; P = lower(Q K^T) * D."""
    kernels = text.kernels
    decayed = " * D" if kernels.has_decay else ""
    text.add(f"P = tl.where(causal, {text.dot('q', 'tl.trans(k)')}{decayed}, 0.0)")
    if kernels.rule.is_default("local"):
        text.add("L = P")
    else:
        outputs = text.hook(kernels.rule.local, {"scores": "P"}, "l", transposed=False)
        text.add(f"L = tl.where(causal, {outputs['scores']}, 0.0)")


def towards_state(text: Text) -> None:
    """E = X^T diag(exp(G_C - G)) K, and beside it W = L X, with no factor rounded to bf16.

    With equal keys and beta near 1 neighbouring rows of Y cancel: sums over them, L Y and K^T Y,
    keep the rounding of every row and lose the rest. In W and E the cancelling is done here.
    """
    text.add(f"X_end = {'to_end[:, None] * X' if text.kernels.has_decay else 'X'}")
    if text.kernels.shape.bf16:  # k is exact in bf16, and two of them hold X
        text.add(
            "X_high = X_end.to(tl.bfloat16)",
            "X_low = (X_end - X_high.to(tl.float32)).to(tl.bfloat16)",
            "E = tl.dot(tl.trans(X_high), k)",
            "E = tl.dot(tl.trans(X_low), k, E)",
        )
    else:
        text.add("E = tl.dot(tl.trans(X_end), k, input_precision='ieee')")
