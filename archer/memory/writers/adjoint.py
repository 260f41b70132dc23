"""`adjoint`, the kernel that walks back through the chunks; see `triton_codegen`."""

from archer.memory import names
from archer.memory.kernels import Kernels
from archer.memory.writers.forward import gated
from archer.memory.writers.places import (
    at,
    one_sequence,
    rows_of_values,
    tile_of_state,
    tokens_of_chunk,
)
from archer.memory.writers.products import along_keys, back_along_tokens, onto_state
from archer.memory.writers.sums import collect, store_knobs, store_signals, zero_knobs, zero_signals
from archer.memory.writers.tensors import adjoint_tensors
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
    load_weights,
    store_rows,
)


def adjoint(kernels: Kernels) -> str:
    """Walks the chunks in reverse with the adjoints of S and the slots on chip, [BK, BV] each.

    Stores -dSbar and beta Z, the gradient of v, of every chunk for `gradients`, and the gradients
    of knobs and signals that `gate` and `write` read. d_carry: adjoint of exp(G_C), [blocks of
    d_v, N H, M].
    """
    strided, others = adjoint_tensors(kernels)
    text, end = Text(kernels, rows=kernels.rows), Text(kernels)
    body = Text(kernels, depth=2, rows=kernels.rows)
    start_walk(text)
    text.add("part = split.to(tl.int64) * (tl.num_programs(0) // tl.cdiv(DV, BV))")
    text.add(loop("back", "M"))
    body.add("chunk = M - 1 - back")
    tokens_of_chunk(body)
    late = kernels.folded and "dS" not in kernels.vjps["write"].inputs
    if not late:
        load_keys(body, inner=("q",))
    load_walk(body, kernels.adjoint_needs_S)
    U = load_values(body) if kernels.adjoint_needs_Y else "Y"
    write_vjp(body, U)
    through_chunk(body, late)
    store_adjoint(body)
    store_knobs(end, "part + program")
    return kernel("adjoint", [*strided, *others], strided, text, body, end)


def start_walk(text: Text) -> None:
    """What the walk carries from chunk to chunk, from zero."""
    kernels = text.kernels
    one_sequence(text)
    load_knobs(text)
    for name in ("S_bar", *(names.slot_bar(slot) for slot in kernels.rule.slots)):
        text.add(f"{name} = tl.zeros({text.state_size()}, tl.float32)")
    zero_knobs(text)


def load_walk(text: Text, state: bool) -> None:
    """The chunk's inputs and what the forward pass kept; state: S too."""
    kernels = text.kernels
    load_rows(text, "do", "vs", "v_ok")
    load_beta(text)
    load_decay(text)
    load_signals(text)
    if not kernels.folded:
        text.add(f"X = tl.load({at('X', 'square')})")
    load_weights(text)
    zero_signals(text)
    tile_of_state(text)
    if state:
        load_state(text, "S")
        text.add("S = S.to(tl.float32)")
    for slot in kernels.saved_slots:
        load_state(text, names.slot(slot))
        text.add(f"{names.slot(slot)} = {names.slot(slot)}.to(tl.float32)")
    rows_of_values(text)


def load_values(text: Text) -> str:
    """Y as [BV, BC], with rows [BC, BV], and the name of U."""
    load_saved_rows(text, "Y")
    text.add(f"Y = {text.turned('Y')}.to(tl.float32)")
    return gated(text)


def write_vjp(text: Text, U: str) -> None:
    """From S_bar and the slots' adjoints to T_bar (of exp(G_C) S), ddS, and the slots' before."""
    kernels = text.kernels
    graph, slots = kernels.vjps["write"], kernels.rule.slots
    if "dS" in graph.inputs:
        text.add(f"dS = {onto_state(text, text.scaled('k', text.by('to_end', U)), 'k')}")
    own = {"S": "(carry * S)" if kernels.has_decay else "S", "dS": "dS", "grad.S": "S_bar"}
    for slot in slots:
        own |= {f"slots.{slot}": names.slot(slot), f"grad.slots.{slot}": names.slot_bar(slot)}
    outputs = text.hook(graph, own, "dw", transposed=not text.rows)
    collect(text, outputs, transposed=not text.rows)
    zero = f"tl.zeros({text.state_size()}, tl.float32)"
    text.add(f"T_bar = {outputs.get('grad.S', zero)}", f"ddS = {outputs.get('grad.dS', zero)}")
    text.add(
        *(f"{names.slot_bar(slot)} = {outputs.get(f'grad.slots.{slot}', zero)}" for slot in slots)
    )


def through_chunk(text: Text, late: bool = False) -> None:
    """Z, and S_bar before the chunk. late: q and k are read between the two."""
    kernels = text.kernels
    text.add(f"do = {text.turned('do')}")
    if kernels.folded:
        text.add(
            f"Z = {along_keys(text, 'E', 'ddS')}",
            f"Z = {back_along_tokens(text, 'W', 'do', 'Z')}",
        )
    else:
        text.add(f"dU = {text.by('to_end', text.scaled('k', along_keys(text, 'k', 'ddS')))}")
        own = {"U": "Y", "grad.U": "dU"}
        outputs = text.hook(kernels.vjps["gate"], own, "du", transposed=not text.rows)
        collect(text, outputs, transposed=not text.rows)
        text.add(
            f"dY = {back_along_tokens(text, 'L', 'do', outputs['grad.U'])}",
            f"Z = {back_along_tokens(text, 'X', 'dY')}",
        )
    if late:
        load_keys(text, inner=("q", "k"))
    if kernels.has_decay:
        text.add("d_carry = tl.sum(T_bar * S)", "T_bar = carry * T_bar")
    read = text.scaled("q", text.by("from_start", "do"))
    erased = text.scaled("k", text.by("from_start", f"(-{text.by_token('beta')} * Z)"))
    text.add(
        f"S_bar = {onto_state(text, read, 'q', 'T_bar')}",
        f"S_bar = {onto_state(text, erased, 'k', 'S_bar')}",
    )


def store_adjoint(text: Text) -> None:
    kernels = text.kernels
    text.add(  # negated, so that both products of dk in `gradients` have one sign
        f"tl.store({at('ddS', 'state')}, (-ddS).to(ddS_ptr.dtype.element_ty),"
        " state_ok & (chunk + 1 < M))",
    )
    store_rows(text, "dv", text.turned(f"({text.by_token('beta')} * Z)"), "vs", "v_ok")
    if kernels.has_decay:
        text.add("tl.store(d_carry_ptr + part * M + tile, d_carry)")
    store_signals(text, "part")
