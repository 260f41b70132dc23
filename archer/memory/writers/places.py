"""Where a program works, and where tensors lie for it; see `triton_codegen`."""

from archer.memory.writers.text import Text


def indices(text: Text) -> None:
    """Positions inside a chunk and a head, and their masks."""
    text.add(
        "row = tl.arange(0, BC)",
        "token_ok = row < C",
        "ks = tl.arange(0, BK)",
        "k_ok = ks < DK",
        "causal = (row[:, None] >= row[None, :]) & token_ok[:, None]",
        "strict = (row[:, None] > row[None, :]) & token_ok[:, None]",
    )


def one_chunk(text: Text) -> None:
    """The program's chunk, for kernels with one program per chunk."""
    text.add(
        "chunk = tl.program_id(0) % M",
        "program = (tl.program_id(0) // M).to(tl.int64)",
        "n = program // H",
        "h = program % H",
    )
    indices(text)


def one_sequence(text: Text) -> None:
    """The program's sequence, head and block of d_v, for kernels that walk the chunks.

    Blocks of one sequence are neighbours, and share its tiles in the L2 cache.
    """
    text.add(
        "split = tl.program_id(0) % tl.cdiv(DV, BV)",
        "program = (tl.program_id(0) // tl.cdiv(DV, BV)).to(tl.int64)",
        "n = program // H",
        "h = program % H",
    )
    indices(text)
    text.add("vs = split * BV + tl.arange(0, BV)", "v_ok = vs < DV")


def tokens_of_chunk(text: Text) -> None:
    """Tokens of the chunk, and where its tiles lie in what `prepare` stores."""
    text.add(
        "t = chunk * C + row",
        "t_ok = token_ok & (t < T)",
        "step = chunk + 1.0",
        "tile = program * M + chunk",
    )
    rows_anew(text, "chunk")
    text.add(
        "first = n * 0 + chunk * C",  # of 64 bits, as n is
        "rows_k = at_row[:, None] * DK + ks[None, :]",
        "square = at_row[:, None] * BC + row[None, :]",
    )


def rows_anew(text: Text, turn: str) -> None:
    """at_row: the rows for addresses, in a loop as if they changed with its turns.

    LLVM moves what does not change out of the loop, and carries one 64-bit pointer or offset
    through it for every 16 bytes that a thread moves: 130 registers in `forward`. No chunk's
    number has the bit that `turn` keeps, but the compiler cannot know.
    """
    if text.depth > 1:
        text.add(f"turn = tl.multiple_of(({turn}) & 1048576, 64)", "at_row = row + turn")
    else:
        text.add("at_row = row")


def at(name: str, place: str) -> str:
    """Where a tensor by tiles lies; place: rows_k, rows_v, square or state.

    A base of the program and offsets with constant strides, here and in `at_rows`: one
    register pair and the constants of the instructions then address a whole tile.
    """
    size = {"rows_k": "BC * DK", "rows_v": "BC * DV", "square": "BC * BC", "state": "DV * DK"}
    return f"{name}_ptr + tile * ({size[place]}) + {place}"


def at_rows(name: str, columns: str) -> str:
    """Where the chunk's tokens of a [N, T, H, D] tensor lie."""
    return f"{first_token(name)} + (at_row[:, None] * {name}_t + {columns}[None, :])"


def first_token(name: str) -> str:
    """The chunk's first token."""
    return f"{name}_ptr + (n * {name}_n + h * {name}_h + first * {name}_t)"


def rows_of_values(text: Text) -> None:
    """Where the chunk's rows of Y lie, [N H, M, BC, d_v]."""
    text.add("rows_v = at_row[:, None] * DV + vs[None, :]")


def tile_of_state(text: Text) -> None:
    """Where the tile of a state lies, [BV, BK] or with rows [BK, BV]."""
    vs, ks = ("vs[None, :]", "ks[:, None]") if text.rows else ("vs[:, None]", "ks[None, :]")
    turn = "turn + " if text.depth > 1 else ""
    ok = [name.replace("s[", "_ok[") for name in ((ks, vs) if text.rows else (vs, ks))]
    text.add(
        f"state = ({turn}{ks}) * DV + {vs}",
        f"state_ok = {ok[0]} & {ok[1]}",
    )
