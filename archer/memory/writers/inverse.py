"""X = (I + A)^-1 of a chunk; see `triton_codegen`."""

from archer.memory.writers.text import Text

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
