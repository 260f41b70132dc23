"""The two kernels of the forward pass; see `triton_codegen`."""

from archer.memory import names
from archer.memory.kernel_text import Text, kernel, loop
from archer.memory.kernels import Kernels


def prepare_tensors(kernels: Kernels) -> tuple[list[str], list[str]]:
    """(tensors of [N, T, H, ...], others) that `prepare` takes, in their order."""
    decay = ["g"] if kernels.has_decay else []
    signals = [names.signal(name) for name in kernels.signals]
    knobs = [names.knob(name) for name in kernels.knobs]
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
    weights_in_chunk(text)
    text.add(f"tl.store({text.at('X', 'square')}, X.to(X_ptr.dtype.element_ty))")
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
    weights_in_chunk(text)
    if text.kernels.folded:
        towards_state(text)


def weights_in_chunk(text: Text) -> None:
    """X, and L or W, [BC, BC]."""
    text.pairwise_decay()
    local_weights(text)
    inverse(text)
    if text.kernels.folded:
        product(text, "W", "L", "X")


def store_weights(text: Text, names: tuple[str, ...]) -> None:
    """What the backward pass reads of a chunk."""
    for name in names:
        place, mask = ("rows_k", "k_ok[None, :]") if name == "E" else ("square", "None")
        where = text.at(name, place)
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


SMALL = 16  # rows of a block whose products stay inside a warp


def inverse(text: Text) -> None:
    """X = (I + A)^-1 by block forward substitution in fp32, blocks of 2, 4, ... up to BC.

    Two solved diagonal blocks X1, X2 with A21 below their corner make one: the new corner is
    -X2 A21 X1. No powers of A appear, which with equal keys would grow before they cancel.
    """
    kernels = text.kernels
    decayed = " * D" if kernels.has_decay else ""
    text.add(
        f"keys = {text.dot('k', 'tl.trans(k)')}{decayed}",
        "A = tl.where(strict, beta[:, None] * keys, 0.0)",
    )
    size = 1
    if kernels.shape.block_c > SMALL and not kernels.single:
        diagonal_blocks(text)
        size = SMALL
    else:
        text.add("X = tl.where(row[:, None] == row[None, :], 1.0, 0.0)")
    while size < kernels.shape.block_c:
        text.add(f"A21 = tl.where({corner('row[:, None]', 'row[None, :]', size)}, A, 0.0)")
        if size == 1:
            text.add("X -= A21")
        else:
            product(text, "A21", "A21", "X")
            product(text, "corner", "X", "A21")
            text.add("X -= corner")
        size *= 2


def corner(row: str, column: str, size: int) -> str:
    """Where A21 lies in the diagonal blocks of 2 size."""
    return (
        f"({row} // {2 * size} == {column} // {2 * size}) & ({row} // {size} > {column} // {size})"
    )


def diagonal_blocks(text: Text) -> None:
    """X inside diagonal blocks of 16 and 0 outside: a batch of small products, a warp for each."""
    blocks = text.kernels.shape.block_c // SMALL
    text.add(
        f"block = tl.arange(0, {blocks})",
        f"inside = tl.arange(0, {SMALL})",
        "same = block[:, None, None, None] == block[None, None, :, None]",
        f"A_own = tl.reshape(A, [{blocks}, {SMALL}, {blocks}, {SMALL}])",
        "A_own = tl.sum(tl.where(same, A_own, 0.0), 2)",
        "above, along = inside[None, :, None], inside[None, None, :]",
        f"X = tl.where({corner('above', 'along', 1)}, -A_own, 0.0)",
        "X = tl.where(above == along, 1.0, X)",
    )
    size = 2
    while size < SMALL:
        text.add(f"A21 = tl.where({corner('above', 'along', size)}, A_own, 0.0)")
        product(text, "A21", "A21", "X")
        text.add(f"X -= tl.dot(X, A21, input_precision='{precision(text)}')")
        size *= 2
    text.add(
        "X = tl.where(same, X[:, :, None, :], 0.0)",
        "X = tl.reshape(X, [BC, BC])",
    )


def product(text: Text, out: str, a: str, b: str) -> None:
    """out = a b of fp32 [BC, BC] tiles, no factor rounded to bf16."""
    text.add(f"{out} = tl.dot({a}, {b}, input_precision='{precision(text)}')")


def precision(text: Text) -> str:
    """Of products of fp32 tiles."""
    return "tf32" if text.kernels.shape.bf16 else "ieee"


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


def forward_tensors(kernels: Kernels) -> tuple[list[str], list[str]]:
    """(tensors of [N, T, H, ...], others) that `forward` takes, in their order."""
    decay = ["g"] if kernels.has_decay else []
    signals = [names.signal(name) for name in kernels.signals]
    knobs = [names.knob(name) for name in kernels.knobs]
    saved = ["S", *(names.slot(slot) for slot in kernels.saved_slots)]
    within = kernels.weights if kernels.single and kernels.folded else ("X", *kernels.weights)
    others = [*kernels.scales, *within, "Y", *saved]
    return ["q", "k", "v", "beta", *decay, *signals, "o"], [*knobs, *others]


def forward(kernels: Kernels) -> str:
    """Walks the chunks of one sequence with S and the slots on chip, [BK, BV] each.

    What the second half of a chunk needs is read when it is there: less shared memory, and more
    programs on a multiprocessor. For a small head it computes here what `prepare` would, and
    stores what the way back reads; what lies between is transposed then.
    """
    strided, others = forward_tensors(kernels)
    text, body = Text(kernels), Text(kernels, depth=2, rows=kernels.rows)
    text.one_sequence()
    text.load_knobs()
    for name in ("S", *(names.slot(slot) for slot in kernels.rule.slots)):
        text.add(f"{name} = tl.zeros({body.state_size()}, tl.float32)")
    text.add(loop("chunk", "M"))
    body.chunk()
    if kernels.single:
        unit_keys(body)
    else:
        body.load_keys(inner=("q", "k") if kernels.folded else ("q",))
    body.load_rows("v", "vs", "v_ok")
    body.load_beta()
    body.load_decay()
    body.load_signals()
    if kernels.single:
        within_chunk(body)
        store_weights(body, kernels.weights)
        if not kernels.folded:
            body.add(f"tl.store({body.at('X', 'square')}, X.to(X_ptr.dtype.element_ty))")
    else:
        body.add(f"X = tl.load({body.at('X', 'square')})")
    body.state()
    for name in ("S", *(names.slot(slot) for slot in kernels.saved_slots)):
        # before the first chunk it is zero, and nobody reads it
        body.add(
            f"tl.store({body.at(name, 'state')}, {name}.to({name}_ptr.dtype.element_ty),"
            " state_ok & (chunk > 0))"
        )
    read_memory(body)
    if not kernels.single:
        body.load_weights()
    body.values()
    body.add(
        f"tl.store({body.at('Y', 'rows_v')}, {body.turned('Y')}.to(Y_ptr.dtype.element_ty),"
        " v_ok[None, :])"
    )
    inside = ("W", "R") if kernels.folded else ("L", "Y")
    body.add(
        f"o = {body.by('from_start', body.scaled('q', along_keys(body, 'q', 'S')))}",
        f"o = {along_tokens(body, *inside, 'o')}",
        f"tl.store({body.at_rows('o', 'vs')},"
        f" {body.turned('o')}.to(o_ptr.dtype.element_ty), mask=t_ok[:, None] & v_ok[None, :])",
    )
    write(body, gated(body))
    return kernel("forward", [*strided, *others], strided, text, body)


def along_keys(text: Text, keys: str, state: str) -> str:
    """q or k [BC, BK] times a state."""
    return text.dot(keys, state) if text.rows else text.dot(state, f"tl.trans({keys})")


def along_tokens(text: Text, weights: str, x: str, plus: str | None = None) -> str:
    """Weights [BC, BC] times the tokens' x."""
    if text.rows:
        return text.dot(weights, x, plus)
    return text.dot(x, f"tl.trans({weights})", plus)


def onto_state(text: Text, x: str, keys: str, plus: str | None = None) -> str:
    """Sum over tokens of keys [BC, BK] with their x: a state."""
    return text.dot(f"tl.trans({keys})", x, plus) if text.rows else text.dot(x, keys, plus)


def read_memory(text: Text) -> None:
    """R = diag(beta) (V - exp(G) K S) and Y = X R, both [BV, BC], with rows [BC, BV]."""
    text.add(
        f"read = {text.by('from_start', text.scaled('k', along_keys(text, 'k', 'S')))}",
        f"R = {text.by_token('beta')} * ({text.turned('v')}.to(tl.float32) - read)",
        f"Y = {along_tokens(text, 'X', 'R')}",
    )


def gated(text: Text) -> str:
    """The name of U, [BV, BC], with rows [BC, BV]."""
    if text.kernels.rule.is_default("gate"):
        return "Y"
    outputs = text.hook(text.kernels.rule.gate, {"U": "Y"}, "u", transposed=not text.rows)
    text.add(f"U = {outputs['U']}")
    return "U"


def write(text: Text, U: str) -> None:
    """S and the slots after the chunk."""
    kernels = text.kernels
    if kernels.has_decay:
        text.add("S = carry * S")
    added = ("R", "E") if kernels.folded else (text.scaled("k", text.by("to_end", U)), "k")
    if kernels.rule.is_default("write"):
        text.add(f"S = {onto_state(text, *added, 'S')}")
        return
    text.add(f"dS = {onto_state(text, *added)}")
    own = {"S": "S", "dS": "dS"} | {f"slots.{s}": names.slot(s) for s in kernels.rule.slots}
    outputs = text.hook(kernels.rule.write, own, "w", transposed=not text.rows)
    text.add(f"S = {outputs['S']}")
    text.add(*(f"{names.slot(slot)} = {outputs[f'slots.{slot}']}" for slot in kernels.rule.slots))
