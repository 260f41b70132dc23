"""`gradients`, the kernel that finishes the backward pass of a chunk; see `triton_codegen`."""

from archer.memory.kernels import Kernels
from archer.memory.writers.inside import (
    inside_chunk,
    store_gradients,
    store_rest,
    towards_keys,
    zero_sums,
)
from archer.memory.writers.places import (
    one_chunk,
    rows_anew,
    rows_of_values,
    tile_of_state,
    tokens_of_chunk,
)
from archer.memory.writers.sums import store_knobs, zero_knobs, zero_signals
from archer.memory.writers.tensors import gradients_tensors
from archer.memory.writers.text import Text, kernel, loop
from archer.memory.writers.tiles import (
    load_beta,
    load_decay,
    load_keys,
    load_knobs,
    load_rows,
    load_saved_rows,
    load_signals,
    load_state,
    pairwise_decay,
)


def gradients(kernels: Kernels) -> str:
    """Adjoints of q, k, v, beta and g of one chunk, and of what `local` reads.

    A loop over blocks of d_v takes in S, dSbar and the gradient of v, beta Z; what lies between
    tokens comes after it, and only then are q and k read. All sums are kept as rows of tokens.
    """
    strided, others = gradients_tensors(kernels)
    text, body, end = Text(kernels), Text(kernels, depth=2), Text(kernels)
    one_chunk(text)
    tokens_of_chunk(text)
    load_knobs(text)
    zero_knobs(text)
    zero_signals(text)
    load_beta(text)
    load_decay(text)
    load_signals(text)
    zero_sums(text, rows=True)
    text.add(loop("block", "tl.cdiv(DV, BV)"))
    value_block(body)
    rows_anew(end, "chunk")
    pairwise_decay(end)
    factors_of_rows(end)
    if kernels.has_decay:
        end.add("d_carry = tl.load(d_carry_ptr + tile)")
    if kernels.keys_last:
        inside_chunk(end, of_dv=True)
        keys_one_by_one(end)
    else:
        load_keys(end)
        make_unit(end)
        inside_chunk(end, of_dv=True)
        towards_keys(end, rows=True)
        store_gradients(end)
    store_rest(end)
    store_knobs(end, "program * M + chunk")
    return kernel("gradients", [*strided, *others], strided, text, body, end)


def make_unit(text: Text) -> None:
    """q and k become what `unit_keys` makes of them."""
    scaled = bool(text.kernels.scales)
    q, k = ("q_scale[:, None] * ", "k_scale[:, None] * ") if scaled else ("", "")
    text.add(f"q = ({q}SCALE * q.to(tl.float32)).to(q.dtype)")
    if scaled:
        text.add(f"k = ({k}k.to(tl.float32)).to(k.dtype)")


def value_block(text: Text) -> None:
    """A block of d_v: its tiles, and what they add."""
    text.add("vs = block * BV + tl.arange(0, BV)", "v_ok = vs < DV")
    rows_anew(text, "block + chunk")
    for name in ("do", "dv"):
        load_rows(text, name, "vs", "v_ok")
    tile_of_state(text)
    for name in ("S", "ddS"):
        load_state(text, name)
    rows_of_values(text)
    load_saved_rows(text, "Y")
    row_sums(text)


def row_sums(text: Text) -> None:
    """Sums over columns of d_v: dL, dv Y^T [BC, BC]; dq, dk [BC, BK], factors of rows left out.

    do, Y and dv are [BC, BV] here, S and ddS (negated) [BV, BK], all as they were loaded.
    """
    kernels = text.kernels
    text.add(
        f"dL = {text.dot('do', 'tl.trans(Y)', 'dL')}",
        f"dq = {text.dot('do', 'S', 'dq')}",
        f"ZY = {text.dot('dv', 'tl.trans(Y)', 'ZY')}",
    )
    U = "Y"
    if not kernels.rule.is_default("gate"):
        text.add("Y = Y.to(tl.float32)")
        outputs = text.hook(kernels.rule.gate, {"U": "Y"}, "u", transposed=False)
        U = outputs["U"]
    if kernels.has_decay:
        text.add(
            f"dk_end = {text.dot(U, 'ddS', 'dk_end')}",
            f"dk = {text.dot('dv', 'S', 'dk')}",
        )
    else:
        # of one sign: a negated operand would leave shared memory for registers
        text.add(f"dk = {text.dot(U, 'ddS', 'dk')}", f"dk = {text.dot('dv', 'S', 'dk')}")


def factors_of_rows(text: Text) -> None:
    """Signs and factors of the decay that `row_sums` leaves out; those of dq follow."""
    if text.kernels.has_decay:
        text.add("dk = -from_start[:, None] * dk", "dk_end = -to_end[:, None] * dk_end")
    else:
        text.add("dk = -dk")


def keys_one_by_one(text: Text) -> None:
    """dq, then dk, through the normalisation and out, with q and k read where they are needed."""
    low = ".to(tl.bfloat16)" if text.kernels.shape.bf16 else ""
    text.add(f"dP = dP{low}", f"dA = dA{low}", "dA += tl.trans(dA)")
    load_unit(text, "k")
    text.add(f"dq = {text.dot('dP', 'k', 'dq')}")
    load_unit(text, "q")
    text.add(f"dk = {text.dot('tl.trans(dP)', 'q', 'dk')}", f"dk = {text.dot('dA', 'k', 'dk')}")
    store_gradients(text)


def load_unit(text: Text, name: str) -> None:
    """q or k as `unit_keys` makes it."""
    factor = "SCALE * " if name == "q" else ""
    load_rows(text, name, "ks", "k_ok")
    if text.kernels.scales:
        text.add(f"{name}_scale = tl.load({name}_scale_ptr + tile * BC + row)")
        factor += f"{name}_scale[:, None] * "
    text.add(f"{name} = ({factor}{name}.to(tl.float32)).to({name}.dtype)")
