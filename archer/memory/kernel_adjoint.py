"""`adjoint`, the kernel that walks back through the chunks; see `triton_codegen`."""

from archer.memory import names
from archer.memory.kernel_forward import along_keys, gated, onto_state
from archer.memory.kernel_text import Text, kernel, loop
from archer.memory.kernels import Kernels


def inputs(kernels: Kernels) -> tuple[list[str], list[str]]:
    """(tensors of [N, T, H, ...], others) that both kernels read."""
    decay = ["g"] if kernels.has_decay else []
    signals = [names.signal(name) for name in kernels.signals]
    knobs = [names.knob(name) for name in kernels.knobs]
    return ["q", "k", "beta", *decay, *signals, "do"], [*knobs, *kernels.scales, "Y"]


def hook_gradients(kernels: Kernels) -> list[str]:
    """Partial sums of signals [parts, N, T, H] and knobs [parts, N H]."""
    signals = [f"d{names.signal(name)}" for name in kernels.signals]
    return [*signals, *(f"d{names.knob(name)}" for name in kernels.trained)]


def adjoint_tensors(kernels: Kernels) -> tuple[list[str], list[str]]:
    """(tensors of [N, T, H, ...], others) that `adjoint` takes, in their order."""
    strided, others = inputs(kernels)
    saved = ["S", *(names.slot(slot) for slot in kernels.saved_slots)]
    end = ["d_carry"] if kernels.has_decay else []
    through = through_tensors(kernels)
    given = [*others, *through, *saved, "ddS", *end, *hook_gradients(kernels)]
    return [*strided, "dv"], given


def through_tensors(kernels: Kernels) -> tuple[str, ...]:
    """What the way back through a chunk reads."""
    return kernels.weights if kernels.folded else ("X", *kernels.weights)


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
    body.chunk()
    late = kernels.folded and "dS" not in kernels.vjps["write"].inputs
    if not late:
        body.load_keys(inner=("q",))
    load_walk(body, kernels.adjoint_needs_S)
    U = load_values(body) if kernels.adjoint_needs_Y else "Y"
    write_vjp(body, U)
    through_chunk(body, late)
    store_adjoint(body)
    for name in kernels.trained:
        end.add(f"tl.store(d{names.knob(name)}_ptr + part + program, {names.knob_sum(name)})")
    return kernel("adjoint", [*strided, *others], strided, text, body, end)


def start_walk(text: Text) -> None:
    """What the walk carries from chunk to chunk, from zero."""
    kernels = text.kernels
    text.one_sequence()
    text.load_knobs()
    for name in ("S_bar", *(names.slot_bar(slot) for slot in kernels.rule.slots)):
        text.add(f"{name} = tl.zeros({text.state_size()}, tl.float32)")
    text.add(*(f"{names.knob_sum(name)} = 0.0" for name in kernels.trained))


def load_walk(text: Text, state: bool) -> None:
    """The chunk's inputs and what the forward pass kept; state: S too."""
    kernels = text.kernels
    text.load_rows("do", "vs", "v_ok")
    text.load_beta()
    text.load_decay()
    text.load_signals()
    if not kernels.folded:
        text.add(f"X = tl.load({text.at('X', 'square')})")
    text.load_weights()
    zero_signals(text)
    text.state()
    if state:
        text.load_state("S")
        text.add("S = S.to(tl.float32)")
    for slot in kernels.saved_slots:
        text.load_state(names.slot(slot))
        text.add(f"{names.slot(slot)} = {names.slot(slot)}.to(tl.float32)")
    text.values()


def load_values(text: Text) -> str:
    """Y as [BV, BC], with rows [BC, BV], and the name of U."""
    text.load_saved_rows("Y")
    text.add(f"Y = {text.turned('Y')}.to(tl.float32)")
    return gated(text)


def zero_signals(text: Text) -> None:
    for name in text.kernels.signals:
        text.add(f"d{names.signal(name)} = tl.zeros([BC], tl.float32)")


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
    collect(text, outputs)
    zero = f"tl.zeros({text.state_size()}, tl.float32)"
    text.add(f"T_bar = {outputs.get('grad.S', zero)}", f"ddS = {outputs.get('grad.dS', zero)}")
    text.add(
        *(f"{names.slot_bar(slot)} = {outputs.get(f'grad.slots.{slot}', zero)}" for slot in slots)
    )


def collect(text: Text, outputs: dict[str, str]) -> None:
    """Signals' adjoints are collected as [1, BC] rows; a transposed hook has them as [BC, 1]."""
    text.collect(
        {
            name: f"tl.trans({x})" if name.startswith("grad.signal.") and not text.rows else x
            for name, x in outputs.items()
        }
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
        collect(text, outputs)
        text.add(
            f"dY = {back_along_tokens(text, 'L', 'do', outputs['grad.U'])}",
            f"Z = {back_along_tokens(text, 'X', 'dY')}",
        )
    if late:
        text.load_keys(inner=("q", "k"))
    if kernels.has_decay:
        text.add("d_carry = tl.sum(T_bar * S)", "T_bar = carry * T_bar")
    read = text.scaled("q", text.by("from_start", "do"))
    erased = text.scaled("k", text.by("from_start", f"(-{text.by_token('beta')} * Z)"))
    text.add(
        f"S_bar = {onto_state(text, read, 'q', 'T_bar')}",
        f"S_bar = {onto_state(text, erased, 'k', 'S_bar')}",
    )


def back_along_tokens(text: Text, weights: str, x: str, plus: str | None = None) -> str:
    """Transposed weights [BC, BC] times the tokens' x."""
    if text.rows:
        return text.dot(f"tl.trans({weights})", x, plus)
    return text.dot(x, weights, plus)


def store_adjoint(text: Text) -> None:
    kernels = text.kernels
    text.add(  # negated, so that both products of dk in `gradients` have one sign
        f"tl.store({text.at('ddS', 'state')}, (-ddS).to(ddS_ptr.dtype.element_ty),"
        " state_ok & (chunk + 1 < M))",
    )
    store_rows(text, "dv", text.turned(f"({text.by_token('beta')} * Z)"), "vs", "v_ok")
    if kernels.has_decay:
        text.add("tl.store(d_carry_ptr + part * M + tile, d_carry)")
    store_signals(text, "part")


def store_rows(text: Text, name: str, tile: str, columns: str, ok: str) -> None:
    """A tile [BC, ...] into a [N, T, H, D] tensor."""
    text.add(
        f"tl.store({text.at_rows(name, columns)}, ({tile}).to({name}_ptr.dtype.element_ty),"
        f" mask=t_ok[:, None] & {ok}[None, :])"
    )


def store_signals(text: Text, part: str) -> None:
    """Partial sums of the signals' gradients, [parts, N, T, H]."""
    for name in text.kernels.signals:
        text.add(
            f"at = ({part} + n * H) * T + t * H + h",
            f"tl.store(d{names.signal(name)}_ptr + at, d{names.signal(name)}, mask=t_ok)",
        )
