"""Tiles and vectors loaded and stored; see `triton_codegen`."""

from archer.memory import names
from archer.memory.writers.places import at, at_rows, first_token
from archer.memory.writers.text import Text


def load_rows(text: Text, name: str, columns: str, ok: str, only: str | None = None) -> None:
    """A tile [BC, ...] of a [N, T, H, D] tensor at the chunk's tokens, 0 past the end.

    only: condition without which it is not read, and 0.
    """
    when = f" & ({only})" if only else ""
    text.add(
        f"{name} = tl.load({at_rows(name, columns)},"
        f" mask=t_ok[:, None] & {ok}[None, :]{when}, other=0.0)"
    )


def load_vector(text: Text, name: str) -> None:
    """[BC] of a [N, T, H] tensor at the chunk's tokens in fp32, 0 past the end."""
    place = f"{first_token(name)} + at_row * {name}_t"
    text.add(f"{name} = tl.load({place}, mask=t_ok, other=0.0).to(tl.float32)")


def load_keys(text: Text, inner: tuple[str, ...] = ()) -> None:
    """The chunk's q and k as they are given, [BC, BK], and what makes them unit, [BC].

    inner: which of them meet only the state before the chunk, zero before the first.
    """
    for name in ("q", "k"):
        load_rows(text, name, "ks", "k_ok", "chunk > 0" if name in inner else None)
    for name in text.kernels.scales:
        text.add(f"{name} = tl.load({name}_ptr + tile * BC + row)")


def load_weights(text: Text) -> None:
    """L, or W and E; E makes the state after the chunk, which nobody reads after the last."""
    if text.kernels.folded:
        there = "k_ok[None, :] & (chunk + 1 < M)"
        text.add(
            f"W = tl.load({at('W', 'square')})",
            f"E = tl.load({at('E', 'rows_k')}, mask={there}, other=0.0)",
        )
    else:
        text.add(f"L = tl.load({at('L', 'square')})")


def load_beta(text: Text) -> None:
    """beta, kept above 0 so that Y / beta exists, and dv / beta."""
    load_vector(text, "beta")
    text.add("beta = tl.maximum(beta, 1e-15)")


def load_saved_rows(text: Text, name: str) -> None:
    """Rows of Y of the chunk, [BC, BV]."""
    text.add(f"{name} = tl.load({at(name, 'rows_v')}, mask=v_ok[None, :], other=0.0)")


def load_decay(text: Text) -> None:
    """G and the factors made of it, [BC] each."""
    if text.kernels.has_decay:
        load_vector(text, "g")
        text.add(
            "G = tl.cumsum(g, 0)",
            "G_end = tl.sum(g, 0)",
            "from_start = tl.exp(G)",
            "to_end = tl.exp(G_end - G)",
            "carry = tl.exp(G_end)",
        )


def pairwise_decay(text: Text) -> None:
    """D, masked before exp: above the diagonal it would overflow."""
    if text.kernels.has_decay:
        text.add("D = tl.exp(tl.where(causal, G[:, None] - G[None, :], -1e30))")


def load_knobs(text: Text) -> None:
    for name in text.kernels.knobs:
        text.add(f"{names.knob(name)} = tl.load({names.knob(name)}_ptr + program)")


def load_signals(text: Text) -> None:
    for name in text.kernels.signals:
        load_vector(text, names.signal(name))


def load_state(text: Text, name: str) -> None:
    """A tile of what was on chip, saved as [N H, M, d_k, d_v]: ddS or a state before.

    It is zero, and was not stored, before the first chunk and after the last.
    """
    there = "chunk + 1 < M" if name == "ddS" else "chunk > 0"
    place = at(name, "state")
    text.add(f"{name} = tl.load({place}, mask=state_ok & ({there}), other=0.0)")


def store_rows(text: Text, name: str, tile: str, columns: str, ok: str) -> None:
    """A tile [BC, ...] into a [N, T, H, D] tensor."""
    text.add(
        f"tl.store({at_rows(name, columns)}, ({tile}).to({name}_ptr.dtype.element_ty),"
        f" mask=t_ok[:, None] & {ok}[None, :])"
    )
