"""The two kernels of the forward pass; see `triton_codegen`."""

from archer.memory.kernel_text import Text, kernel
from archer.memory.kernels import Kernels


def prepare_tensors(kernels: Kernels) -> tuple[list[str], list[str]]:
    """(tensors of [N, T, H, ...], others) that `prepare` takes, in their order."""
    decay = ["g"] if kernels.has_decay else []
    signals = [f"signal_{name}" for name in kernels.signals]
    knobs = [f"knob_{name}" for name in kernels.knobs]
    stored = [*kernels.scales, "X", *kernels.weights]
    return ["q", "k", "beta", *decay, *signals], [*knobs, *stored]


def prepare(kernels: Kernels) -> str:
    """Norms, X, and L or its fold of one chunk: all that does not depend on S."""
    strided, others = prepare_tensors(kernels)
    text = Text(kernels)
    text.one_chunk()
    text.chunk()
    text.load_knobs()
    unit_keys(text)
    for name in kernels.scales:
        text.add(f"tl.store({name}_ptr + tile * BC + row, {name})")
    text.load_beta()
    text.load_decay()
    text.load_signals()
    within_chunk(text)
    text.add("tl.store(X_ptr + square, X.to(X_ptr.dtype.element_ty))")
    store_weights(text)
    return kernel("prepare", [*strided, *others], strided, text)


def unit_keys(text: Text) -> None:
    """The chunk's k (unit) and q (unit, scaled), [BC, BK], and what they were multiplied by."""
    for name in ("q", "k"):
        text.load_rows(name, "ks", "k_ok")
        text.add(f"{name} = {name}.to(tl.float32)")
        if text.kernels.shape.unit:
            text.add(
                f"{name}_scale = tl.rsqrt(tl.sum({name} * {name}, 1) + 1e-6)",
                f"{name} = {name} * {name}_scale[:, None]",
            )
    text.add("q = (q * SCALE).to(q_ptr.dtype.element_ty)", "k = k.to(k_ptr.dtype.element_ty)")


def within_chunk(text: Text) -> None:
    """X, and L or W and E, [BC, BC] and [BC, BK]."""
    text.pairwise_decay()
    local_weights(text)
    inverse(text)
    if text.kernels.folded:
        fold(text)


def store_weights(text: Text) -> None:
    """What the backward pass reads of a chunk."""
    for name in text.kernels.weights:
        place, mask = ("rows_k", "k_ok[None, :]") if name == "E" else ("square", "None")
        text.add(f"tl.store({name}_ptr + {place}, {name}.to({name}_ptr.dtype.element_ty), {mask})")


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


def inverse(text: Text) -> None:
    """X = (I + A)^-1 by block forward substitution in fp32, blocks of 2, 4, ... up to BC.

    Two solved diagonal blocks X1, X2 with A21 below their corner make one: the new corner is
    -X2 A21 X1. No powers of A appear, which with equal keys would grow before they cancel.
    """
    decayed = " * D" if text.kernels.has_decay else ""
    precision = "tf32" if text.kernels.shape.bf16 else "ieee"
    text.add(
        f"keys = {text.dot('k', 'tl.trans(k)')}{decayed}",
        "A = tl.where(strict, beta[:, None] * keys, 0.0)",
        "X = tl.where(row[:, None] == row[None, :], 1.0, 0.0)",
    )
    size = 1
    while size < text.kernels.shape.block_c:
        text.add(
            f"corner = (row[:, None] // {2 * size} == row[None, :] // {2 * size})"
            f" & (row[:, None] // {size} > row[None, :] // {size})",
            "A21 = tl.where(corner, A, 0.0)",
        )
        if size == 1:
            text.add("X -= A21")
        else:
            text.add(
                f"A21 = tl.dot(A21, X, input_precision='{precision}')",
                f"X -= tl.dot(X, A21, input_precision='{precision}')",
            )
        size *= 2


def fold(text: Text) -> None:
    """W = L X and E = X^T diag(exp(G_C - G)) K, with no factor rounded to bf16.

    With equal keys and beta near 1 neighbouring rows of Y cancel: sums over them, L Y and K^T Y,
    keep the rounding of every row and lose the rest. In W and E the cancelling is done here.
    """
    bf16 = text.kernels.shape.bf16
    precision = "tf32" if bf16 else "ieee"
    text.add(
        f"W = tl.dot(L, X, input_precision='{precision}')",
        f"X_end = {text.by('to_end', 'X', columns=False)}",
    )
    if bf16:  # k is exact in bf16, and two of them hold X
        text.add(
            "X_high = X_end.to(tl.bfloat16)",
            "X_low = (X_end - X_high.to(tl.float32)).to(tl.bfloat16)",
            "E = tl.dot(tl.trans(X_high), k)",
            "E = tl.dot(tl.trans(X_low), k, E)",
        )
    else:
        text.add("E = tl.dot(tl.trans(X_end), k, input_precision='ieee')")


def forward_tensors(kernels: Kernels) -> tuple[list[str], list[str]]:
    """(tensors of [N, T, H, ...], others) that `forward` takes, in their order."""
    decay = ["g"] if kernels.has_decay else []
    signals = [f"signal_{name}" for name in kernels.signals]
    knobs = [f"knob_{name}" for name in kernels.knobs]
    saved = ["S", *(f"slot_{slot}" for slot in kernels.saved_slots)]
    within = kernels.weights if kernels.single and kernels.folded else ("X", *kernels.weights)
    others = [*kernels.scales, *within, "Y", *saved]
    return ["q", "k", "v", "beta", *decay, *signals, "o"], [*knobs, *others]


def forward(kernels: Kernels) -> str:
    """Walks the chunks of one sequence with S and the slots on chip, [BV, BK] each.

    For a small head it computes here what `prepare` would, and stores what the way back reads.
    """
    strided, others = forward_tensors(kernels)
    text, body = Text(kernels), Text(kernels, depth=2)
    text.one_sequence()
    text.load_knobs()
    for name in ("S", *(f"slot_{slot}" for slot in kernels.rule.slots)):
        text.add(f"{name} = tl.zeros([BV, BK], tl.float32)")
    text.add("for chunk in range(M):")
    body.chunk()
    if kernels.single:
        unit_keys(body)
    else:
        body.load_keys()
    body.load_rows("v", "vs", "v_ok")
    body.load_beta()
    body.load_decay()
    body.load_signals()
    if kernels.single:
        within_chunk(body)
        store_weights(body)
        if not kernels.folded:
            body.add("tl.store(X_ptr + square, X.to(X_ptr.dtype.element_ty))")
    else:
        body.add("X = tl.load(X_ptr + square)")
        body.load_weights()
    body.state()
    for name in ("S", *(f"slot_{slot}" for slot in kernels.saved_slots)):
        # before the first chunk it is zero, and nobody reads it
        body.add(
            f"tl.store({name}_ptr + state, {name}.to({name}_ptr.dtype.element_ty),"
            " state_ok & (chunk > 0))"
        )
    read_memory(body)
    body.values()
    body.add("tl.store(Y_ptr + rows_v, tl.trans(Y).to(Y_ptr.dtype.element_ty), v_ok[None, :])")
    inside = ("R", "tl.trans(W)") if kernels.folded else ("Y", "tl.trans(L)")
    body.add(
        f"o = {body.by('from_start', body.scaled('q', body.dot('S', 'tl.trans(q)')))}",
        f"o = {body.dot(*inside, 'o')}",
        "tl.store(o_ptr + n * o_n + t[:, None] * o_t + h * o_h + vs[None, :],"
        " tl.trans(o).to(o_ptr.dtype.element_ty), mask=t_ok[:, None] & v_ok[None, :])",
    )
    write(body, gated(body))
    return kernel("forward", [*strided, *others], strided, text, body)


def read_memory(text: Text) -> None:
    """R = diag(beta) (V - exp(G) K S) and Y = X R, both [BV, BC]."""
    text.add(
        f"read = {text.by('from_start', text.scaled('k', text.dot('S', 'tl.trans(k)')))}",
        "R = beta[None, :] * (tl.trans(v).to(tl.float32) - read)",
        f"Y = {text.dot('R', 'tl.trans(X)')}",
    )


def gated(text: Text) -> str:
    """The name of U, [BV, BC]."""
    if text.kernels.rule.is_default("gate"):
        return "Y"
    outputs = text.hook(text.kernels.rule.gate, {"U": "Y"}, "u", transposed=True)
    text.add(f"U = {outputs['U']}")
    return "U"


def write(text: Text, U: str) -> None:
    """S and the slots after the chunk."""
    kernels = text.kernels
    if kernels.has_decay:
        text.add("S = carry * S")
    added = ("R", "E") if kernels.folded else (text.scaled("k", text.by("to_end", U)), "k")
    if kernels.rule.is_default("write"):
        text.add(f"S = {text.dot(*added, 'S')}")
        return
    text.add(f"dS = {text.dot(*added)}")
    own = {"S": "S", "dS": "dS"} | {f"slots.{s}": f"slot_{s}" for s in kernels.rule.slots}
    outputs = text.hook(kernels.rule.write, own, "w", transposed=True)
    text.add(f"S = {outputs['S']}")
    text.add(*(f"slot_{slot} = {outputs[f'slots.{slot}']}" for slot in kernels.rule.slots))
