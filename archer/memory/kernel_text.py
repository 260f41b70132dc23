"""Lines of a generated kernel: tiles loaded and stored, products, hooks. See `triton_codegen`."""

from collections.abc import Mapping

from archer.memory import names
from archer.memory.cheaper import cheaper
from archer.memory.emit import Emitter
from archer.memory.kernels import Kernels
from archer.rules.graph import Graph


class Text:
    """Lines of a kernel at an indentation.

    rows: S and what lies between are tiles [d_k, d_v] and [BC, d_v], else those transposed.
    """

    def __init__(self, kernels: Kernels, depth: int = 1, *, rows: bool = False) -> None:
        self.kernels, self.depth, self.rows = kernels, depth, rows
        self.lines: list[str] = []

    def add(self, *lines: str) -> None:
        self.lines += ["    " * self.depth + line if line else "" for line in lines]

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def dot(self, a: str, b: str, plus: str | None = None) -> str:
        """Matrix product in fp32, of bf16 operands for bf16 inputs."""
        if self.kernels.shape.bf16:
            a, b = f"({a}).to(tl.bfloat16)", f"({b}).to(tl.bfloat16)"
        tail = "" if plus is None else f", {plus}"
        return f"tl.dot({a}, {b}{tail}, input_precision='ieee')"

    def hook(
        self, graph: Graph, own: Mapping[str, str], prefix: str, *, transposed: bool
    ) -> dict[str, str]:
        """Add a hook's lines; the names of its outputs."""
        emitter = Emitter(self.kernels.shape.tiling, prefix, transposed=transposed)
        axis = "[:, None]" if transposed else "[None, :]"
        inputs = {
            **own,
            **{f"knob.{name}": names.knob(name) for name in self.kernels.knobs},
            **{f"signal.{name}": f"{names.signal(name)}{axis}" for name in self.kernels.signals},
            "step": "step",
        }
        outputs = emitter.run(cheaper(graph), inputs)
        self.add(*emitter.lines)
        return outputs

    def indices(self) -> None:
        """Positions inside a chunk and a head, and their masks."""
        self.add(
            "row = tl.arange(0, BC)",
            "token_ok = row < C",
            "ks = tl.arange(0, BK)",
            "k_ok = ks < DK",
            "causal = (row[:, None] >= row[None, :]) & token_ok[:, None]",
            "strict = (row[:, None] > row[None, :]) & token_ok[:, None]",
        )

    def one_chunk(self) -> None:
        """The program's chunk, for kernels with one program per chunk."""
        self.add(
            "chunk = tl.program_id(0) % M",
            "program = (tl.program_id(0) // M).to(tl.int64)",
            "n = program // H",
            "h = program % H",
        )
        self.indices()

    def one_sequence(self) -> None:
        """The program's sequence, head and block of d_v, for kernels that walk the chunks.

        Blocks of one sequence are neighbours, and share its tiles in the L2 cache.
        """
        self.add(
            "split = tl.program_id(0) % tl.cdiv(DV, BV)",
            "program = (tl.program_id(0) // tl.cdiv(DV, BV)).to(tl.int64)",
            "n = program // H",
            "h = program % H",
        )
        self.indices()
        self.add("vs = split * BV + tl.arange(0, BV)", "v_ok = vs < DV")

    def chunk(self) -> None:
        """Tokens of the chunk, and where its tiles lie in what `prepare` stores."""
        self.add(
            "t = chunk * C + row",
            "t_ok = token_ok & (t < T)",
            "step = chunk + 1.0",
            "tile = program * M + chunk",
        )
        self.anew("chunk")
        self.add(
            "first = n * 0 + chunk * C",  # of 64 bits, as n is
            "rows_k = at_row[:, None] * DK + ks[None, :]",
            "square = at_row[:, None] * BC + row[None, :]",
        )

    def anew(self, turn: str) -> None:
        """at_row: the rows for addresses, in a loop as if they changed with its turns.

        LLVM moves what does not change out of the loop, and carries one 64-bit pointer or offset
        through it for every 16 bytes that a thread moves: 130 registers in `forward`. No chunk's
        number has the bit that `turn` keeps, but the compiler cannot know.
        """
        if self.depth > 1:
            self.add(f"turn = tl.multiple_of(({turn}) & 1048576, 64)", "at_row = row + turn")
        else:
            self.add("at_row = row")

    def at(self, name: str, place: str) -> str:
        """Where a tensor by tiles lies; place: rows_k, rows_v, square or state.

        A base of the program and offsets with constant strides, here and in `at_rows`: one
        register pair and the constants of the instructions then address a whole tile.
        """
        size = {"rows_k": "BC * DK", "rows_v": "BC * DV", "square": "BC * BC", "state": "DV * DK"}
        return f"{name}_ptr + tile * ({size[place]}) + {place}"

    def at_rows(self, name: str, columns: str) -> str:
        """Where the chunk's tokens of a [N, T, H, D] tensor lie."""
        return f"{self.base(name)} + (at_row[:, None] * {name}_t + {columns}[None, :])"

    def base(self, name: str) -> str:
        """The chunk's first token."""
        return f"{name}_ptr + (n * {name}_n + h * {name}_h + first * {name}_t)"

    def load_rows(self, name: str, columns: str, ok: str, only: str | None = None) -> None:
        """A tile [BC, ...] of a [N, T, H, D] tensor at the chunk's tokens, 0 past the end.

        only: condition without which it is not read, and 0.
        """
        when = f" & ({only})" if only else ""
        self.add(
            f"{name} = tl.load({self.at_rows(name, columns)},"
            f" mask=t_ok[:, None] & {ok}[None, :]{when}, other=0.0)"
        )

    def load_vector(self, name: str) -> None:
        """[BC] of a [N, T, H] tensor at the chunk's tokens in fp32, 0 past the end."""
        place = f"{self.base(name)} + at_row * {name}_t"
        self.add(f"{name} = tl.load({place}, mask=t_ok, other=0.0).to(tl.float32)")

    def load_keys(self, inner: tuple[str, ...] = ()) -> None:
        """The chunk's q and k as they are given, [BC, BK], and what makes them unit, [BC].

        inner: which of them meet only the state before the chunk, zero before the first.
        """
        for name in ("q", "k"):
            self.load_rows(name, "ks", "k_ok", "chunk > 0" if name in inner else None)
        for name in self.kernels.scales:
            self.add(f"{name} = tl.load({name}_ptr + tile * BC + row)")

    def scaled(self, name: str, x: str) -> str:
        """x by tokens times what makes the chunk's q (with 1 / sqrt(d_k)) or k unit.

        Products with q and k as they are given are scaled by token, before or after; where the
        kernel has made them unit itself, x alone.
        """
        if self.kernels.single:
            return x
        factors = [self.by_token(f"{name}_scale")] if self.kernels.scales else []
        factors += ["SCALE"] if name == "q" else []
        return f"({' * '.join([*factors, x])})"

    def load_weights(self) -> None:
        """L, or W and E; E makes the state after the chunk, which nobody reads after the last."""
        if self.kernels.folded:
            there = "k_ok[None, :] & (chunk + 1 < M)"
            self.add(
                f"W = tl.load({self.at('W', 'square')})",
                f"E = tl.load({self.at('E', 'rows_k')}, mask={there}, other=0.0)",
            )
        else:
            self.add(f"L = tl.load({self.at('L', 'square')})")

    def load_beta(self) -> None:
        """beta, kept above 0 so that Y / beta exists, and dv / beta."""
        self.load_vector("beta")
        self.add("beta = tl.maximum(beta, 1e-15)")

    def values(self) -> None:
        """Where the chunk's rows of Y lie, [N H, M, BC, d_v]."""
        self.add("rows_v = at_row[:, None] * DV + vs[None, :]")

    def load_saved_rows(self, name: str) -> None:
        """Rows of Y of the chunk, [BC, BV]."""
        self.add(f"{name} = tl.load({self.at(name, 'rows_v')}, mask=v_ok[None, :], other=0.0)")

    def load_decay(self) -> None:
        """G and the factors made of it, [BC] each."""
        if self.kernels.has_decay:
            self.load_vector("g")
            self.add(
                "G = tl.cumsum(g, 0)",
                "G_end = tl.sum(g, 0)",
                "from_start = tl.exp(G)",
                "to_end = tl.exp(G_end - G)",
                "carry = tl.exp(G_end)",
            )

    def pairwise_decay(self) -> None:
        """D, masked before exp: above the diagonal it would overflow."""
        if self.kernels.has_decay:
            self.add("D = tl.exp(tl.where(causal, G[:, None] - G[None, :], -1e30))")

    def load_knobs(self) -> None:
        for name in self.kernels.knobs:
            self.add(f"{names.knob(name)} = tl.load({names.knob(name)}_ptr + program)")

    def load_signals(self) -> None:
        for name in self.kernels.signals:
            self.load_vector(names.signal(name))

    def load_state(self, name: str) -> None:
        """A tile of what was on chip, saved as [N H, M, d_k, d_v]: ddS or a state before.

        It is zero, and was not stored, before the first chunk and after the last.
        """
        there = "chunk + 1 < M" if name == "ddS" else "chunk > 0"
        place = self.at(name, "state")
        self.add(f"{name} = tl.load({place}, mask=state_ok & ({there}), other=0.0)")

    def by_token(self, vector: str) -> str:
        """A vector [BC] along the tokens of a tile."""
        return f"{vector}[:, None]" if self.rows else f"{vector}[None, :]"

    def turned(self, tile: str) -> str:
        """A tile between [BC, d_v] and the way it is kept here."""
        return tile if self.rows else f"tl.trans({tile})"

    def state(self) -> None:
        """Where the tile of a state lies, [BV, BK] or with rows [BK, BV]."""
        vs, ks = ("vs[None, :]", "ks[:, None]") if self.rows else ("vs[:, None]", "ks[None, :]")
        turn = "turn + " if self.depth > 1 else ""
        ok = [name.replace("s[", "_ok[") for name in ((ks, vs) if self.rows else (vs, ks))]
        self.add(
            f"state = ({turn}{ks}) * DV + {vs}",
            f"state_ok = {ok[0]} & {ok[1]}",
        )

    def state_size(self) -> str:
        return "[BK, BV]" if self.rows else "[BV, BK]"

    def by(self, factor: str, x: str) -> str:
        """x scaled by a factor [BC] of the decay along its token axis; x alone without a decay."""
        return f"({self.by_token(factor)} * {x})" if self.kernels.has_decay else x

    def collect(self, outputs: Mapping[str, str]) -> None:
        """Add a hook's gradients of knobs and signals to their sums."""
        for name in self.kernels.trained:
            if f"grad.knob.{name}" in outputs:
                self.add(f"{names.knob_sum(name)} += {outputs[f'grad.knob.{name}']}")
        for name in self.kernels.signals:
            if f"grad.signal.{name}" in outputs:
                row = outputs[f"grad.signal.{name}"]
                self.add(f"d{names.signal(name)} += tl.sum({row}, 0)")


def loop(name: str, turns: str) -> str:
    """The head of a loop that stays one: not unrolled, nothing moved out of it.

    Either would cost registers, and the loops have few turns.
    """
    # the compiler cannot know that M >> 30 is 0, and does not unroll
    turns = turns if turns == "M" else f"{turns} + (M >> 30)"
    return f"for {name} in tl.range(0, {turns}, disable_licm=True):"


def kernel(name: str, pointers: list[str], strided: list[str], *bodies: Text) -> str:
    """A whole kernel; `strided` names the [N, T, H, ...] tensors that pass their strides.

    Those between tokens are constants: see `Text.at`.
    """
    constant = {"t": ": tl.constexpr"}
    strides = [f"{tensor}_{axis}{constant.get(axis, '')}" for tensor in strided for axis in "nth"]
    constants = ["C", "DK", "DV", "BC", "BK", "BV", "SCALE"]
    arguments = [
        *(f"{pointer}_ptr" for pointer in pointers),
        *("T", "H", "M", *strides),
        *(f"{constant}: tl.constexpr" for constant in constants),
    ]
    listed = ",\n    ".join(arguments)
    head = f"\n@triton.jit\ndef {name}(\n    {listed},\n):"
    return "\n".join([head, *map(str, bodies), ""])
