"""Lines of a generated kernel: its head, products, hooks. See `triton_codegen`."""

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

    def by_token(self, vector: str) -> str:
        """A vector [BC] along the tokens of a tile."""
        return f"{vector}[:, None]" if self.rows else f"{vector}[None, :]"

    def turned(self, tile: str) -> str:
        """A tile between [BC, d_v] and the way it is kept here."""
        return tile if self.rows else f"tl.trans({tile})"

    def state_size(self) -> str:
        return "[BK, BV]" if self.rows else "[BV, BK]"

    def by(self, factor: str, x: str) -> str:
        """x scaled by a factor [BC] of the decay along its token axis; x alone without a decay."""
        return f"({self.by_token(factor)} * {x})" if self.kernels.has_decay else x


def loop(name: str, turns: str) -> str:
    """The head of a loop that stays one: not unrolled, nothing moved out of it.

    Either would cost registers, and the loops have few turns.
    """
    # the compiler cannot know that M >> 30 is 0, and does not unroll
    turns = turns if turns == "M" else f"{turns} + (M >> 30)"
    return f"for {name} in tl.range(0, {turns}, disable_licm=True):"


def kernel(name: str, pointers: list[str], strided: list[str], *bodies: Text) -> str:
    """A whole kernel; `strided` names the [N, T, H, ...] tensors that pass their strides.

    Those between tokens are constants: see `places.at`.
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
