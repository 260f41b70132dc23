"""`gradients`, the kernel that finishes the backward pass of a chunk; see `triton_codegen`."""

from archer.memory import names
from archer.memory.kernel_adjoint import (
    hook_gradients,
    inputs,
    store_rows,
    store_signals,
    zero_signals,
)
from archer.memory.kernel_text import Text, kernel, loop
from archer.memory.kernels import Kernels


def gradients_tensors(kernels: Kernels) -> tuple[list[str], list[str]]:
    """(tensors of [N, T, H, ...], others) that `gradients` takes, in their order."""
    strided, others = inputs(kernels)
    decay = ["d_carry", "dg"] if kernels.has_decay else []
    given = [*others, "S", "ddS", *decay, "dbeta", *hook_gradients(kernels)]
    return [*strided, "dq", "dk", "dv"], given


def gradients(kernels: Kernels) -> str:
    """Adjoints of q, k, v, beta and g of one chunk, and of what `local` reads.

    A loop over blocks of d_v takes in S, dSbar and the gradient of v, beta Z; what lies between
    tokens comes after it, and only then are q and k read. All sums are kept as rows of tokens.
    """
    strided, others = gradients_tensors(kernels)
    text, body, end = Text(kernels), Text(kernels, depth=2), Text(kernels)
    text.one_chunk()
    text.chunk()
    text.load_knobs()
    text.add(*(f"{names.knob_sum(name)} = 0.0" for name in kernels.trained))
    zero_signals(text)
    text.load_beta()
    text.load_decay()
    text.load_signals()
    zero_sums(text, rows=True)
    text.add(loop("block", "tl.cdiv(DV, BV)"))
    value_block(body)
    end.anew("chunk")
    end.pairwise_decay()
    factors_of_rows(end)
    if kernels.has_decay:
        end.add("d_carry = tl.load(d_carry_ptr + tile)")
    if kernels.keys_last:
        inside_chunk(end, of_dv=True)
        keys_one_by_one(end)
    else:
        end.load_keys()
        make_unit(end)
        inside_chunk(end, of_dv=True)
        towards_keys(end, rows=True)
        store_gradients(end)
    store_rest(end)
    for name in kernels.trained:
        end.add(f"tl.store(d{names.knob(name)}_ptr + program * M + chunk, {names.knob_sum(name)})")
    return kernel("gradients", [*strided, *others], strided, text, body, end)


def make_unit(text: Text) -> None:
    """q and k become what `unit_keys` makes of them."""
    scaled = bool(text.kernels.scales)
    q, k = ("q_scale[:, None] * ", "k_scale[:, None] * ") if scaled else ("", "")
    text.add(f"q = ({q}SCALE * q.to(tl.float32)).to(q.dtype)")
    if scaled:
        text.add(f"k = ({k}k.to(tl.float32)).to(k.dtype)")


def zero_sums(text: Text, rows: bool = False) -> None:
    """What `value_sums` or `row_sums` adds to."""
    size = "[BC, BK]" if rows else "[BK, BC]"
    text.add(
        *(f"{name} = tl.zeros([BC, BC], tl.float32)" for name in ("dL", "ZY")),
        *(f"{name} = tl.zeros({size}, tl.float32)" for name in ("dq", "dk")),
        *([f"dk_end = tl.zeros({size}, tl.float32)"] if text.kernels.has_decay else []),
    )


def value_block(text: Text) -> None:
    """A block of d_v: its tiles, and what they add."""
    text.add("vs = block * BV + tl.arange(0, BV)", "v_ok = vs < DV")
    text.anew("block + chunk")
    for name in ("do", "dv"):
        text.load_rows(name, "vs", "v_ok")
    text.state()
    for name in ("S", "ddS"):
        text.load_state(name)
    text.values()
    text.load_saved_rows("Y")
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


def inside_chunk(text: Text, of_dv: bool = False) -> None:
    """Adjoints of P and of the keys' products, [BC, BC], and of beta. of_dv: ZY is dv Y^T."""
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
    text.add(f"dP = {dP}")
    beta_and_keys(text, of_dv)
    if kernels.has_decay:
        text.add(f"keys = {text.dot('k', 'tl.trans(k)')} * D")


def beta_and_keys(text: Text, of_dv: bool) -> None:
    """Adjoints of the keys' products and of beta, from Z Y^T."""
    text.add(
        f"dA = -tl.where(strict, {'ZY' if of_dv else 'beta[:, None] * ZY'}, 0.0)",
        "on_diagonal = tl.sum(tl.where(row[:, None] == row[None, :], ZY, 0.0), 1)",
        f"dbeta = on_diagonal / beta{' / beta' if of_dv else ''}",
    )


def towards_keys(text: Text, rows: bool = False) -> None:
    """dq and dk, now as rows [BC, BK], and the adjoint of G. rows: they have been."""
    if not rows:
        text.add("dq = tl.trans(dq)", "dk = tl.trans(dk)")
    if text.kernels.has_decay:
        text.add("dq = from_start[:, None] * dq")
        if not rows:
            text.add("dk_end = tl.trans(dk_end)")
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
        "at_end = tl.sum(dk_end * k.to(tl.float32), 1)",
        "dG -= at_end",
        "dG_end = tl.sum(at_end, 0) + carry * d_carry",
        "dk += dk_end",
        "dg = tl.sum(tl.where(row[:, None] >= row[None, :], dG[:, None], 0.0), 0) + dG_end",
        "tl.store(dg_ptr + (n * T + t) * H + h, dg, mask=t_ok)",
    )


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
    text.load_rows(name, "ks", "k_ok")
    if text.kernels.scales:
        text.add(f"{name}_scale = tl.load({name}_scale_ptr + tile * BC + row)")
        factor += f"{name}_scale[:, None] * "
    text.add(f"{name} = ({factor}{name}.to(tl.float32)).to({name}.dtype)")


def store_gradients(text: Text) -> None:
    """dq and dk through the normalisation, and out."""
    units = {"q": "q.to(tl.float32) * (1.0 / SCALE)", "k": "k.to(tl.float32)"}
    for name, unit in units.items():
        if name == "q":
            text.add("dq = dq * SCALE")
        if text.kernels.shape.unit:
            text.add(
                f"unit = {unit}",
                f"scale = {name}_scale[:, None]",
                f"d{name} = scale * (d{name} - unit * tl.sum(unit * d{name}, 1)[:, None])",
            )
        store_rows(text, f"d{name}", f"d{name}", "ks", "k_ok")


def store_rest(text: Text) -> None:
    text.add("tl.store(dbeta_ptr + (n * T + t) * H + h, dbeta, mask=t_ok)")
    store_signals(text, "0")
