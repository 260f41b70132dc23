"""Lines of a generated kernel: tiles loaded and stored, products, hooks. See `triton_codegen`."""

from collections.abc import Mapping

from archer.memory.emit import Emitter
from archer.memory.kernels import Kernels
from archer.rules.graph import Graph


class Text:
    """Lines of a kernel at an indentation."""

    def __init__(self, kernels: Kernels, depth: int = 1) -> None:
        self.kernels, self.depth = kernels, depth
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
            **{f"knob.{name}": f"knob_{name}" for name in self.kernels.knobs},
            **{f"signal.{name}": f"signal_{name}{axis}" for name in self.kernels.signals},
            "step": "step",
        }
        outputs = emitter.run(graph, inputs)
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
        """The program's sequence, head and block of d_v, for kernels that walk the chunks."""
        self.add(
            "program = tl.program_id(0).to(tl.int64)",
            "n = program // H",
            "h = program % H",
        )
        self.indices()
        self.add("vs = tl.program_id(1) * BV + tl.arange(0, BV)", "v_ok = vs < DV")

    def chunk(self) -> None:
        """Tokens of the chunk, and where its tiles lie in what `prepare` stores."""
        self.add(
            "t = chunk * C + row",
            "t_ok = token_ok & (t < T)",
            "step = chunk + 1.0",
            "tile = program * M + chunk",
            "rows_k = (tile * BC + row[:, None]) * DK + ks[None, :]",
            "square = (tile * BC + row[:, None]) * BC + row[None, :]",
        )

    def load_rows(self, name: str, columns: str, ok: str) -> None:
        """A tile [BC, ...] of a [N, T, H, D] tensor at the chunk's tokens, 0 past the end."""
        self.add(
            f"{name} = tl.load({name}_ptr + n * {name}_n + t[:, None] * {name}_t + h * {name}_h"
            f" + {columns}[None, :], mask=t_ok[:, None] & {ok}[None, :], other=0.0)"
        )

    def load_vector(self, name: str) -> None:
        """[BC] of a [N, T, H] tensor at the chunk's tokens in fp32, 0 past the end."""
        self.add(
            f"{name} = tl.load({name}_ptr + n * {name}_n + t * {name}_t + h * {name}_h,"
            " mask=t_ok, other=0.0).to(tl.float32)"
        )

    def load_keys(self) -> None:
        """The chunk's q and k as they are given, [BC, BK], and what makes them unit, [BC]."""
        for name in ("q", "k"):
            self.load_rows(name, "ks", "k_ok")
        for name in self.kernels.scales:
            self.add(f"{name} = tl.load({name}_ptr + tile * BC + row)")

    def scaled(self, name: str, x: str) -> str:
        """x [.., BC] times what makes the chunk's q (with 1 / sqrt(d_k)) or k unit.

        Products with q and k as they are given are scaled by token, before or after; where the
        kernel has made them unit itself, x alone.
        """
        if self.kernels.single:
            return x
        factors = [f"{name}_scale[None, :]"] if self.kernels.scales else []
        factors += ["SCALE"] if name == "q" else []
        return f"({' * '.join([*factors, x])})"

    def load_weights(self) -> None:
        """L, or W and E."""
        if self.kernels.folded:
            self.add(
                "W = tl.load(W_ptr + square)",
                "E = tl.load(E_ptr + rows_k, mask=k_ok[None, :], other=0.0)",
            )
        else:
            self.add("L = tl.load(L_ptr + square)")

    def load_beta(self) -> None:
        """beta, kept above 0 so that Y / beta exists."""
        self.load_vector("beta")
        self.add("beta = tl.maximum(beta, 1e-30)")

    def values(self) -> None:
        """Where the chunk's rows of Y and Z lie, [N H, M, BC, d_v]."""
        self.add("rows_v = (tile * BC + row[:, None]) * DV + vs[None, :]")

    def load_saved_rows(self, name: str) -> None:
        """Rows of Y or Z of the chunk, [BC, BV]."""
        self.add(f"{name} = tl.load({name}_ptr + rows_v, mask=v_ok[None, :], other=0.0)")

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
            self.add(f"knob_{name} = tl.load(knob_{name}_ptr + program)")

    def load_signals(self) -> None:
        for name in self.kernels.signals:
            self.load_vector(f"signal_{name}")

    def load_state(self, name: str) -> None:
        """A tile [BV, BK] of what was on chip, saved as [N H, M, d_v, d_k]: ddS or a state before.

        It is zero, and was not stored, before the first chunk and after the last.
        """
        there = "chunk + 1 < M" if name == "ddS" else "chunk > 0"
        self.add(f"{name} = tl.load({name}_ptr + state, mask=state_ok & ({there}), other=0.0)")

    def state(self) -> None:
        self.add(
            "state = (tile * DV + vs[:, None]) * DK + ks[None, :]",
            "state_ok = v_ok[:, None] & k_ok[None, :]",
        )

    def by(self, factor: str, x: str, *, columns: bool = True) -> str:
        """x scaled by a factor [BC] of the decay along its token axis; x alone without a decay."""
        if not self.kernels.has_decay:
            return x
        return f"({factor}[None, :] * {x})" if columns else f"({factor}[:, None] * {x})"

    def collect(self, outputs: Mapping[str, str]) -> None:
        """Add a hook's gradients of knobs and signals to their sums."""
        for name in self.kernels.trained:
            if f"grad.knob.{name}" in outputs:
                self.add(f"sum_{name} += {outputs[f'grad.knob.{name}']}")
        for name in self.kernels.signals:
            if f"grad.signal.{name}" in outputs:
                row = outputs[f"grad.signal.{name}"]
                self.add(f"dsignal_{name} += tl.sum({row}, 0)")


def kernel(name: str, pointers: list[str], strided: list[str], *bodies: Text) -> str:
    """A whole kernel; `strided` names the [N, T, H, ...] tensors that pass their strides."""
    strides = [f"{tensor}_{axis}" for tensor in strided for axis in "nth"]
    constants = ["C", "DK", "DV", "BC", "BK", "BV", "SCALE"]
    arguments = [
        *(f"{pointer}_ptr" for pointer in pointers),
        *("T", "H", "M", *strides),
        *(f"{constant}: tl.constexpr" for constant in constants),
    ]
    listed = ",\n    ".join(arguments)
    head = f"\n@triton.jit\ndef {name}(\n    {listed},\n):"
    return "\n".join([head, *map(str, bodies), ""])
