"""The way back between the tokens of a chunk, for `gradients` and `backward`."""

from archer.memory.writers.sums import collect, store_signals
from archer.memory.writers.text import Text
from archer.memory.writers.tiles import store_rows


def zero_sums(text: Text, rows: bool = False) -> None:
    """What `value_sums` or `row_sums` adds to."""
    size = "[BC, BK]" if rows else "[BK, BC]"
    text.add(
        *(f"{name} = tl.zeros([BC, BC], tl.float32)" for name in ("dL", "ZY")),
        *(f"{name} = tl.zeros({size}, tl.float32)" for name in ("dq", "dk")),
        *([f"dk_end = tl.zeros({size}, tl.float32)"] if text.kernels.has_decay else []),
    )


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
        collect(text, outputs, transposed=False)
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
