"""`adjoint`, the kernel that walks back through the chunks; see `triton_codegen`."""

from archer.memory.kernel_forward import gated
from archer.memory.kernel_text import Text, kernel
from archer.memory.kernels import Kernels


def inputs(kernels: Kernels) -> tuple[list[str], list[str]]:
    """(tensors of [N, T, H, ...], others) that both kernels read."""
    decay = ["g"] if kernels.has_decay else []
    signals = [f"signal_{name}" for name in kernels.signals]
    knobs = [f"knob_{name}" for name in kernels.knobs]
    return ["q", "k", "beta", *decay, *signals, "do"], [*knobs, *kernels.scales, "Y"]


def hook_gradients(kernels: Kernels) -> list[str]:
    """Partial sums of signals [parts, N, T, H] and knobs [parts, N H]."""
    signals = [f"dsignal_{name}" for name in kernels.signals]
    return [*signals, *(f"dknob_{name}" for name in kernels.trained)]


def adjoint_tensors(kernels: Kernels) -> tuple[list[str], list[str]]:
    """(tensors of [N, T, H, ...], others) that `adjoint` takes, in their order."""
    strided, others = inputs(kernels)
    saved = ["S", *(f"slot_{slot}" for slot in kernels.saved_slots)]
    end = ["d_carry"] if kernels.has_decay else []
    through = through_tensors(kernels)
    return strided, [*others, *through, *saved, "ddS", "Z", *end, *hook_gradients(kernels)]


def through_tensors(kernels: Kernels) -> tuple[str, ...]:
    """What the way back through a chunk reads."""
    return kernels.weights if kernels.folded else ("X", *kernels.weights)


def adjoint(kernels: Kernels) -> str:
    """Walks the chunks in reverse with the adjoints of S and the slots on chip, [BV, BK] each.

    Stores dSbar and Z of every chunk for `gradients`, and the gradients of knobs and signals that
    `gate` and `write` read. d_carry: adjoint of exp(G_C), [blocks of d_v, N H, M].
    """
    strided, others = adjoint_tensors(kernels)
    text, body, end = Text(kernels), Text(kernels, depth=2), Text(kernels)
    start_walk(text)
    text.add("part = tl.program_id(1).to(tl.int64) * tl.num_programs(0)")
    text.add("for back in range(M):")
    body.add("chunk = M - 1 - back")
    body.chunk()
    body.load_keys()
    load_walk(body, kernels.adjoint_needs_S)
    U = load_values(body) if kernels.adjoint_needs_Y else "Y"
    write_vjp(body, U)
    through_chunk(body)
    store_adjoint(body)
    for name in kernels.trained:
        end.add(f"tl.store(dknob_{name}_ptr + part + program, sum_{name})")
    return kernel("adjoint", [*strided, *others], strided, text, body, end)


def start_walk(text: Text) -> None:
    """What the walk carries from chunk to chunk, from zero."""
    kernels = text.kernels
    text.one_sequence()
    text.load_knobs()
    for name in ("S_bar", *(f"{slot}_bar" for slot in kernels.rule.slots)):
        text.add(f"{name} = tl.zeros([BV, BK], tl.float32)")
    text.add(*(f"sum_{name} = 0.0" for name in kernels.trained))


def load_walk(text: Text, state: bool) -> None:
    """The chunk's inputs and what the forward pass kept; state: S too."""
    kernels = text.kernels
    text.load_rows("do", "vs", "v_ok")
    text.load_beta()
    text.load_decay()
    text.load_signals()
    if not kernels.folded:
        text.add("X = tl.load(X_ptr + square)")
    text.load_weights()
    zero_signals(text)
    text.state()
    if state:
        text.load_state("S")
        text.add("S = S.to(tl.float32)")
    for slot in kernels.saved_slots:
        text.load_state(f"slot_{slot}")
        text.add(f"slot_{slot} = slot_{slot}.to(tl.float32)")
    text.values()


def load_values(text: Text) -> str:
    """Y as [BV, BC], and the name of U."""
    text.load_saved_rows("Y")
    text.add("Y = tl.trans(Y).to(tl.float32)")
    return gated(text)


def zero_signals(text: Text) -> None:
    for name in text.kernels.signals:
        text.add(f"dsignal_{name} = tl.zeros([BC], tl.float32)")


def write_vjp(text: Text, U: str) -> None:
    """From S_bar and the slots' adjoints to T_bar (of exp(G_C) S), ddS, and the slots' before."""
    kernels = text.kernels
    graph, slots = kernels.vjps["write"], kernels.rule.slots
    if "dS" in graph.inputs:
        text.add(f"dS = {text.dot(text.scaled('k', text.by('to_end', U)), 'k')}")
    own = {"S": "(carry * S)" if kernels.has_decay else "S", "dS": "dS", "grad.S": "S_bar"}
    for slot in slots:
        own |= {f"slots.{slot}": f"slot_{slot}", f"grad.slots.{slot}": f"{slot}_bar"}
    outputs = text.hook(graph, own, "dw", transposed=True)
    text.collect(_transposed_signals(outputs))
    zero = "tl.zeros([BV, BK], tl.float32)"
    text.add(f"T_bar = {outputs.get('grad.S', zero)}", f"ddS = {outputs.get('grad.dS', zero)}")
    text.add(*(f"{slot}_bar = {outputs.get(f'grad.slots.{slot}', zero)}" for slot in slots))


def _transposed_signals(outputs: dict[str, str]) -> dict[str, str]:
    """Signals' adjoints as [1, BC] rows, from the [BC, 1] of a transposed hook."""
    return {
        name: f"tl.trans({text})" if name.startswith("grad.signal.") else text
        for name, text in outputs.items()
    }


def through_chunk(text: Text) -> None:
    """Z, and S_bar before the chunk."""
    kernels = text.kernels
    text.add("do = tl.trans(do)")
    if kernels.folded:
        text.add(f"Z = {text.dot('ddS', 'tl.trans(E)')}", f"Z = {text.dot('do', 'W', 'Z')}")
    else:
        text.add(f"dU = {text.by('to_end', text.scaled('k', text.dot('ddS', 'tl.trans(k)')))}")
        own = {"U": "Y", "grad.U": "dU"}
        outputs = text.hook(kernels.vjps["gate"], own, "du", transposed=True)
        text.collect(_transposed_signals(outputs))
        text.add(f"dY = {text.dot('do', 'L', outputs['grad.U'])}", f"Z = {text.dot('dY', 'X')}")
    if kernels.has_decay:
        text.add("d_carry = tl.sum(T_bar * S)", "T_bar = carry * T_bar")
    read = text.scaled("q", text.by("from_start", "do"))
    erased = text.scaled("k", text.by("from_start", "(-beta[None, :] * Z)"))
    text.add(
        f"S_bar = {text.dot(read, 'q', 'T_bar')}",
        f"S_bar = {text.dot(erased, 'k', 'S_bar')}",
    )


def store_adjoint(text: Text) -> None:
    kernels = text.kernels
    text.add(
        "tl.store(ddS_ptr + state, ddS.to(ddS_ptr.dtype.element_ty), state_ok & (chunk + 1 < M))",
        "tl.store(Z_ptr + rows_v, tl.trans(Z).to(Z_ptr.dtype.element_ty), v_ok[None, :])",
    )
    if kernels.has_decay:
        text.add("tl.store(d_carry_ptr + part * M + tile, d_carry)")
    store_signals(text, "part")


def store_signals(text: Text, part: str) -> None:
    """Partial sums of the signals' gradients, [parts, N, T, H]."""
    for name in text.kernels.signals:
        text.add(
            f"at = ({part} + n * H) * T + t * H + h",
            f"tl.store(dsignal_{name}_ptr + at, dsignal_{name}, mask=t_ok)",
        )
