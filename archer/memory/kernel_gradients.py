"""`gradients`, the kernel that finishes the backward pass of a chunk; see `triton_codegen`."""

from archer.memory.kernel_adjoint import hook_gradients, inputs, store_signals, zero_signals
from archer.memory.kernel_forward import gated
from archer.memory.kernel_text import Text, kernel
from archer.memory.kernels import Kernels


def gradients_tensors(kernels: Kernels) -> tuple[list[str], list[str]]:
    """(tensors of [N, T, H, ...], others) that `gradients` takes, in their order."""
    strided, others = inputs(kernels)
    decay = ["d_carry", "dg"] if kernels.has_decay else []
    given = [*others, "S", "ddS", "Z", *decay, "dbeta", *hook_gradients(kernels)]
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
    text.load_keys()
    make_unit(text)
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


def make_unit(text: Text) -> None:
    """q and k become what `unit_keys` makes of them."""
    scaled = bool(text.kernels.scales)
    q, k = ("q_scale[:, None] * ", "k_scale[:, None] * ") if scaled else ("", "")
    text.add(f"q = ({q}SCALE * q.to(tl.float32)).to(q.dtype)")
    if scaled:
        text.add(f"k = ({k}k.to(tl.float32)).to(k.dtype)")


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
            text.add(
                f"unit = {unit}",
                f"scale = {name}_scale[:, None]",
                f"d{name} = scale * (d{name} - unit * tl.sum(unit * d{name}, 1)[:, None])",
            )
        store_rows(text, f"d{name}", f"d{name}", "ks", "k_ok")
    text.add("tl.store(dbeta_ptr + (n * T + t) * H + h, dbeta, mask=t_ok)")
    store_signals(text, "0")
