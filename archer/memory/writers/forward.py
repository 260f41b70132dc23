"""`forward`, the kernel that walks through the chunks; see `triton_codegen`."""

from archer.memory import names
from archer.memory.kernels import Kernels
from archer.memory.writers.places import (
    at,
    at_rows,
    one_sequence,
    rows_of_values,
    tile_of_state,
    tokens_of_chunk,
)
from archer.memory.writers.prepare import store_weights, unit_keys, within_chunk
from archer.memory.writers.products import along_keys, along_tokens, onto_state
from archer.memory.writers.tensors import forward_tensors
from archer.memory.writers.text import Text, kernel, loop
from archer.memory.writers.tiles import (
    load_beta,
    load_decay,
    load_keys,
    load_knobs,
    load_rows,
    load_signals,
    load_weights,
)


def forward(kernels: Kernels) -> str:
    """Walks the chunks of one sequence with S and the slots on chip, [BK, BV] each.

    What the second half of a chunk needs is read when it is there: less shared memory, and more
    programs on a multiprocessor. For a small head it computes here what `prepare` would, and
    stores what the way back reads; what lies between is transposed then.
    """
    strided, others = forward_tensors(kernels)
    text, body = Text(kernels), Text(kernels, depth=2, rows=kernels.rows)
    one_sequence(text)
    load_knobs(text)
    for name in ("S", *(names.slot(slot) for slot in kernels.rule.slots)):
        text.add(f"{name} = tl.zeros({body.state_size()}, tl.float32)")
    text.add(loop("chunk", "M"))
    tokens_of_chunk(body)
    load_chunk(body)
    tile_of_state(body)
    store_states(body)
    read_memory(body)
    if not kernels.single:
        load_weights(body)
    store_values(body)
    store_output(body)
    write(body, gated(body))
    return kernel("forward", [*strided, *others], strided, text, body)


def load_chunk(text: Text) -> None:
    """The chunk's inputs and X; for a small head all that `prepare` would make, stored too."""
    kernels = text.kernels
    if kernels.single:
        unit_keys(text)
    else:
        load_keys(text, inner=("q", "k") if kernels.folded else ("q",))
    load_rows(text, "v", "vs", "v_ok")
    load_beta(text)
    load_decay(text)
    load_signals(text)
    if not kernels.single:
        text.add(f"X = tl.load({at('X', 'square')})")
        return
    within_chunk(text)
    store_weights(text, kernels.weights)
    if not kernels.folded:
        text.add(f"tl.store({at('X', 'square')}, X.to(X_ptr.dtype.element_ty))")


def store_states(text: Text) -> None:
    """S and the slots that the way back reads, before the chunk."""
    for name in ("S", *(names.slot(slot) for slot in text.kernels.saved_slots)):
        # before the first chunk it is zero, and nobody reads it
        text.add(
            f"tl.store({at(name, 'state')}, {name}.to({name}_ptr.dtype.element_ty),"
            " state_ok & (chunk > 0))"
        )


def store_values(text: Text) -> None:
    """Y."""
    rows_of_values(text)
    text.add(
        f"tl.store({at('Y', 'rows_v')}, {text.turned('Y')}.to(Y_ptr.dtype.element_ty),"
        " v_ok[None, :])"
    )


def store_output(text: Text) -> None:
    """O = diag(exp(G)) Q S + L Y, or W R for L Y."""
    inside = ("W", "R") if text.kernels.folded else ("L", "Y")
    text.add(
        f"o = {text.by('from_start', text.scaled('q', along_keys(text, 'q', 'S')))}",
        f"o = {along_tokens(text, *inside, 'o')}",
        f"tl.store({at_rows('o', 'vs')},"
        f" {text.turned('o')}.to(o_ptr.dtype.element_ty), mask=t_ok[:, None] & v_ok[None, :])",
    )


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
