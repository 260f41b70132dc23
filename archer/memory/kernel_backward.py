"""The two kernels of the backward pass; see `triton_codegen`."""

from archer.memory.kernel_forward import gated, unit_keys
from archer.memory.triton_codegen import Kernels, Text, kernel


def inputs(kernels: Kernels) -> tuple[list[str], list[str]]:
    """(tensors of [N, T, H, ...], others) that both kernels read."""
    decay = ["g"] if kernels.has_decay else []
    signals = [f"signal_{name}" for name in kernels.signals]
    knobs = [f"knob_{name}" for name in kernels.knobs]
    return ["beta", *decay, *signals, "do"], [*knobs, "q_unit", "k_unit", "Y"]


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
    body.load_unit_keys()
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


def backward_tensors(kernels: Kernels) -> tuple[list[str], list[str]]:
    """(tensors of [N, T, H, ...], others) that `backward` takes, in their order."""
    strided, others = inputs(kernels)
    others = [name for name in others if name not in ("q_unit", "k_unit")]
    saved = ["S", *(f"slot_{slot}" for slot in kernels.saved_slots)]
    decay = ["dg"] if kernels.has_decay else []
    given = [*others, *through_tensors(kernels), *saved, *decay, "dbeta", *hook_gradients(kernels)]
    return ["q", "k", *strided, "dq", "dk", "dv"], given


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
    for name in kernels.trained:
        end.add(f"tl.store(dknob_{name}_ptr + program, sum_{name})")
    return kernel("backward", [*strided, *others], strided, text, body, end)


def zero_signals(text: Text) -> None:
    for name in text.kernels.signals:
        text.add(f"dsignal_{name} = tl.zeros([BC], tl.float32)")


def write_vjp(text: Text, U: str) -> None:
    """From S_bar and the slots' adjoints to T_bar (of exp(G_C) S), ddS, and the slots' before."""
    kernels = text.kernels
    graph, slots = kernels.vjps["write"], kernels.rule.slots
    if "dS" in graph.inputs:
        text.add(f"dS = {text.dot(text.by('to_end', U), 'k')}")
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
        text.add(f"dU = {text.by('to_end', text.dot('ddS', 'tl.trans(k)'))}")
        own = {"U": "Y", "grad.U": "dU"}
        outputs = text.hook(kernels.vjps["gate"], own, "du", transposed=True)
        text.collect(_transposed_signals(outputs))
        text.add(f"dY = {text.dot('do', 'L', outputs['grad.U'])}", f"Z = {text.dot('dY', 'X')}")
    if kernels.has_decay:
        text.add("d_carry = tl.sum(T_bar * S)", "T_bar = carry * T_bar")
    text.add(
        f"S_bar = {text.dot(text.by('from_start', 'do'), 'q', 'T_bar')}",
        f"S_bar = {text.dot(text.by('from_start', '(-beta[None, :] * Z)'), 'k', 'S_bar')}",
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


def gradients_tensors(kernels: Kernels) -> tuple[list[str], list[str]]:
    """(tensors of [N, T, H, ...], others) that `gradients` takes, in their order."""
    strided, others = inputs(kernels)
    scales = ["q_scale", "k_scale"] if kernels.shape.unit else []
    decay = ["d_carry", "dg"] if kernels.has_decay else []
    given = [*others, *scales, "S", "ddS", "Z", *decay, "dbeta", *hook_gradients(kernels)]
    return [*strided, "dq", "dk", "dv"], given


def gradients(kernels: Kernels) -> str:
    """Adjoints of q, k, v, beta and g of one chunk, and of what `local` reads.

    A loop over blocks of d_v takes in S, dSbar and Z; what lies between tokens comes after it.
    """
    strided, others = gradients_tensors(kernels)
    text, body, end = Text(kernels), Text(kernels, depth=2), Text(kernels)
    text.one_chunk()
    text.chunk()
    text.load_knobs()
    text.add(*(f"sum_{name} = 0.0" for name in kernels.trained))
    zero_signals(text)
    text.load_unit_keys()
    text.load_beta()
    text.load_decay()
    text.load_signals()
    zero_sums(text)
    text.add("for block in range(tl.cdiv(DV, BV)):")
    value_block(body)
    end.pairwise_decay()
    if kernels.has_decay:
        end.add("d_carry = tl.load(d_carry_ptr + tile)")
    inside_chunk(end)
    towards_keys(end)
    store_gradients(end)
    for name in kernels.trained:
        end.add(f"tl.store(dknob_{name}_ptr + program * M + chunk, sum_{name})")
    return kernel("gradients", [*strided, *others], strided, text, body, end)


def zero_sums(text: Text) -> None:
    """What `value_sums` adds to."""
    text.add(
        *(f"{name} = tl.zeros([BC, BC], tl.float32)" for name in ("dL", "ZY")),
        *(f"{name} = tl.zeros([BK, BC], tl.float32)" for name in ("dq", "dk")),
        *(["dk_end = tl.zeros([BK, BC], tl.float32)"] if text.kernels.has_decay else []),
    )


def value_block(text: Text) -> None:
    """A block of d_v: its tiles, and what they add."""
    text.add("vs = block * BV + tl.arange(0, BV)", "v_ok = vs < DV")
    text.load_rows("do", "vs", "v_ok")
    text.state()
    text.load_state("S")
    text.load_state("ddS")
    text.values()
    text.load_saved_rows("Y")
    text.load_saved_rows("Z")
    text.add(*(f"{name} = tl.trans({name})" for name in ("do", "Y", "Z")))
    if not text.kernels.rule.is_default("gate"):
        text.add("Y = Y.to(tl.float32)")
    value_sums(text, gated(text))


def value_sums(text: Text, U: str) -> None:
    """Sums over columns of d_v: dL, Z Y^T [BC, BC]; dq, dk [BK, BC]; and dv.

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


def inside_chunk(text: Text) -> None:
    """Adjoints of P and of the keys' products, [BC, BC], and of beta."""
    kernels = text.kernels
    decayed = " * D" if kernels.has_decay else ""
    text.add("dL = tl.where(causal, dL, 0.0)")
    if kernels.has_decay or not kernels.rule.is_default("local"):
        text.add(f"P = tl.where(causal, {text.dot('q', 'tl.trans(k)')}{decayed}, 0.0)")
    dP = "dL"
    if not kernels.rule.is_default("local"):
        own = {"scores": "P", "grad.scores": "dL"}
        outputs = text.hook(kernels.vjps["local"], own, "dl", transposed=False)
        text.collect(outputs)
        zero = "tl.zeros([BC, BC], tl.float32)"
        dP = f"tl.where(causal, {outputs.get('grad.scores', zero)}, 0.0)"
    text.add(
        f"dP = {dP}",
        "dA = -tl.where(strict, beta[:, None] * ZY, 0.0)",
        "on_diagonal = tl.sum(tl.where(row[:, None] == row[None, :], ZY, 0.0), 1)",
        "dbeta = on_diagonal / beta",
    )
    if kernels.has_decay:
        text.add(f"keys = {text.dot('k', 'tl.trans(k)')} * D")


def towards_keys(text: Text) -> None:
    """dq and dk, now as rows [BC, BK], and the adjoint of G."""
    text.add("dq = tl.trans(dq)", "dk = tl.trans(dk)")
    if text.kernels.has_decay:
        text.add("dq = from_start[:, None] * dq")
        decay_vjp(text)
        text.add("dP = dP * D", "dA = dA * D")
    text.add(
        f"dq = {text.dot('dP', 'k', 'dq')}",
        f"dk = {text.dot('tl.trans(dP)', 'q', 'dk')}",
        f"dk = {text.dot('dA + tl.trans(dA)', 'k', 'dk')}",
    )


def decay_vjp(text: Text) -> None:
    """Adjoint of G from every factor made of it, then of g: G is the running sum of g."""
    text.add(
        "in_D = dP * P + dA * keys",
        "dG = tl.sum(in_D, 1) - tl.sum(in_D, 0)",
        "dG += tl.sum(dq * q.to(tl.float32) + dk * k.to(tl.float32), 1)",
        "dk_end = tl.trans(dk_end)",
        "at_end = tl.sum(dk_end * k.to(tl.float32), 1)",
        "dG -= at_end",
        "dG_end = tl.sum(at_end, 0) + carry * d_carry",
        "dk += dk_end",
        "dg = tl.sum(tl.where(row[:, None] >= row[None, :], dG[:, None], 0.0), 0) + dG_end",
        "tl.store(dg_ptr + (n * T + t) * H + h, dg, mask=t_ok)",
    )


def store_rows(text: Text, name: str, tile: str, columns: str, ok: str) -> None:
    """A tile [BC, ...] into a [N, T, H, D] tensor."""
    text.add(
        f"tl.store({name}_ptr + n * {name}_n + t[:, None] * {name}_t + h * {name}_h"
        f" + {columns}[None, :], ({tile}).to({name}_ptr.dtype.element_ty),"
        f" mask=t_ok[:, None] & {ok}[None, :])"
    )


def store_gradients(text: Text) -> None:
    """Through the normalisation, and out."""
    kernels = text.kernels
    text.add("dq = dq * SCALE")
    units = {"q": "q.to(tl.float32) * (1.0 / SCALE)", "k": "k.to(tl.float32)"}
    for name, unit in units.items():
        if kernels.shape.unit:
            scale = f"tl.load({name}_scale_ptr + tile * BC + row)"
            text.add(
                f"unit = {unit}",
                f"scale = {f'{name}_scale' if kernels.single else scale}[:, None]",
                f"d{name} = scale * (d{name} - unit * tl.sum(unit * d{name}, 1)[:, None])",
            )
        store_rows(text, f"d{name}", f"d{name}", "ks", "k_ok")
    text.add("tl.store(dbeta_ptr + (n * T + t) * H + h, dbeta, mask=t_ok)")
    store_signals(text, "0")
