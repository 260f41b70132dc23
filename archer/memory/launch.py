"""One call of the generated kernels: room for what they store, and their launches.

The launch options are at the end of the file.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from archer.memory.generated import Compiled
from archer.memory.kernel_adjoint import adjoint_tensors
from archer.memory.kernel_backward import backward_tensors
from archer.memory.kernel_forward import forward_tensors, prepare_tensors
from archer.memory.kernel_gradients import can_go_one_by_one, gradients_tensors
from archer.memory.kernels import Kernels


def block(size: int) -> int:
    """Tile size: the next power of two, at least 16."""
    return max(16, 1 << (size - 1).bit_length())


class Launch:
    """One call's tensors by the names that the generated kernels give them.

    kept: what `prepare` and `forward` store for the backward pass.
    """

    def __init__(self, compiled: Compiled, tensors: tuple[Tensor | None, ...]) -> None:
        self.compiled, self.kernels = compiled, compiled.kernels
        self.names = (
            *(f"knob_{name}" for name in self.kernels.knobs),
            *(f"signal_{name}" for name in self.kernels.signals),
        )
        named = zip(("q", "k", "v", "beta", "g", *self.names), tensors, strict=True)
        self.inputs = {name: _rows(tensor) for name, tensor in named if tensor is not None}
        self.N, self.T, self.H, _ = self.inputs["q"].shape
        shape = self.kernels.shape
        self.M = -(-self.T // shape.C)
        self.programs = self.N * self.H
        self.kept: dict[str, Tensor] = {}

    def splits(self, name: str) -> int:
        """Blocks of d_v in a walk."""
        return -(-self.kernels.shape.d_v // self.columns(name))

    def _walk(self, name: str) -> tuple[int, ...]:
        """Programs of a walk, those of one sequence side by side."""
        return (self.programs * self.splits(name),)

    def new(self, *size: int, dtype: torch.dtype | None = None) -> Tensor:
        q = self.inputs["q"]
        return torch.empty(size, dtype=dtype or q.dtype, device=q.device)

    def forward(self) -> Tensor:
        self.kept = self._kept()
        output = torch.empty_like(self.inputs["v"], memory_format=torch.contiguous_format)
        if not self.kernels.single:
            each = (self.programs * self.M,)
            self._launch("prepare", each, prepare_tensors(self.kernels), {})
        self._launch("forward", self._walk("forward"), forward_tensors(self.kernels), {"o": output})
        return output

    def _kept(self) -> dict[str, Tensor]:
        """Room for what the forward pass leaves to the backward pass."""
        shape, kernels = self.kernels.shape, self.kernels
        tiles = self.programs, self.M, shape.block_c
        widths = {"E": shape.d_k, "Y": shape.d_v}
        widths |= dict.fromkeys(("X", "L", "W"), shape.block_c)
        names = {"Y", *kernels.weights}
        if not (kernels.single and kernels.folded):
            names.add("X")
        kept = {name: self.new(*tiles, dtype=torch.float32) for name in kernels.scales}
        kept |= {name: self.new(*tiles, widths[name]) for name in sorted(names)}
        states = "S", *(f"slot_{slot}" for slot in kernels.saved_slots)
        size = self.programs, self.M, shape.d_k, shape.d_v
        return kept | {name: self.new(*size) for name in states}

    def backward(self, grad: Tensor) -> dict[str, Tensor]:
        """Gradients by name."""
        fp32 = torch.float32
        each = self.N, self.T, self.H
        found = {f"d{n}": torch.empty_like(self.inputs[n]) for n in ("q", "k", "v")}
        found |= {f"d{n}": self.new(*each, dtype=fp32) for n in ("beta", "g") if n in self.inputs}
        sums = self._single if self.kernels.single else self._walk_and_gather
        found |= sums(_rows(grad), found)
        return {
            name: found[f"d{name}"].to(tensor.dtype)
            for name, tensor in self.inputs.items()
            if f"d{name}" in found
        }

    def _hook_sums(self, parts: int, knobs: tuple[int, ...]) -> dict[str, Tensor]:
        """Room for the gradients of signals and knobs, by parts that are added up later."""
        kernels, each, fp32 = self.kernels, (self.N, self.T, self.H), torch.float32
        sums = {f"dsignal_{s}": self.new(parts, *each, dtype=fp32) for s in kernels.signals}
        return sums | {f"dknob_{k}": self.new(*knobs, dtype=fp32) for k in kernels.trained}

    def _single(self, grad: Tensor, found: dict[str, Tensor]) -> dict[str, Tensor]:
        sums = self._hook_sums(1, (self.N, self.H))
        tensors = backward_tensors(self.kernels)
        self._launch("backward", (self.programs, 1), tensors, {"do": grad} | found | sums)
        return {n: x[0] if n.startswith("dsignal_") else x for n, x in sums.items()}

    def _walk_and_gather(self, grad: Tensor, found: dict[str, Tensor]) -> dict[str, Tensor]:
        kernels, splits = self.kernels, self.splits("adjoint")
        work = {"do": grad, "ddS": self.new(*self.kept["S"].shape), "dv": found["dv"]}
        if kernels.has_decay:
            work["d_carry"] = self.new(splits, self.programs, self.M, dtype=torch.float32)
        walked = self._hook_sums(splits, (splits, self.N, self.H))
        self._launch("adjoint", self._walk("adjoint"), adjoint_tensors(kernels), work | walked)
        if kernels.has_decay:
            work["d_carry"] = work["d_carry"].sum(0)
        local = self._hook_sums(1, (self.N, self.H, self.M))
        chunks = (self.programs * self.M,)
        self._launch("gradients", chunks, gradients_tensors(kernels), work | found | local)
        knobs = {f"dknob_{name}" for name in kernels.trained}
        return {n: walked[n].sum(0) + (x.sum(-1) if n in knobs else x[0]) for n, x in local.items()}

    def _launch(
        self,
        name: str,
        grid: tuple[int, ...],
        tensors: tuple[list[str], list[str]],
        others: Mapping[str, Tensor],
    ) -> None:
        strided, plain = tensors
        by_name = {**self.inputs, **self.kept, **others}
        steps = [stride for each in strided for stride in by_name[each].stride()[:3]]
        arguments = [by_name[each] for each in (*strided, *plain)]
        kernel = getattr(self.compiled.module, name)
        sizes = self.T, self.H, self.M
        kernel[grid](*arguments, *sizes, *steps, **self._constants(name), **options(self, name))

    def columns(self, name: str) -> int:
        """Columns of d_v that a kernel has on chip."""
        shape = self.kernels.shape
        if name == "prepare":
            return block(shape.d_v)
        special = tuned(self, name)
        if special:
            return special.columns
        if name == "gradients" and self.kernels.can_split:
            return min(64, block(shape.d_v))
        return shape.block_v

    def _constants(self, name: str) -> dict[str, Any]:
        shape = self.kernels.shape
        return {
            "C": shape.C,
            "DK": shape.d_k,
            "DV": shape.d_v,
            "BC": shape.block_c,
            "BK": shape.block_k,
            "BV": self.columns(name),
            "SCALE": shape.d_k**-0.5,
        }


class Tuned(NamedTuple):
    """How a kernel runs: columns of d_v per program or turn, warps, stages, most registers."""

    columns: int
    warps: int
    stages: int
    registers: int | None = None


LARGE = {
    "prepare": Tuned(128, 4, 1, 168),
    "forward": Tuned(64, 4, 1, 168),
    "adjoint": Tuned(64, 4, 1),
    "gradients": Tuned(64, 4, 2),
}
LARGE_DECAY = {"prepare": LARGE["prepare"], "forward": Tuned(64, 4, 1), "adjoint": Tuned(64, 4, 1)}
"""For bf16, chunks of 64 and heads of 128, without and with a decay, the fastest of those measured
(docs/kernels.md).

168 registers leave room for three programs on a multiprocessor. One stage keeps one copy of a
chunk's tiles in shared memory, where two programs hide more than a pipeline does. A walk over 32
columns in one stage dies of device errors: Triton 3.6, with the warp-group matrix units.
"""


def tuned(launch: Launch, name: str) -> Tuned | None:
    """What the tables say; walks with slots keep more on chip and were not measured with them, nor
    were gates or rules whose columns may not be split."""
    shape, kernels = launch.kernels.shape, launch.kernels
    large = shape.bf16 and shape.block_c == 64 and shape.block_k == 128 and shape.block_v >= 64
    if not large or not kernels.can_split or not kernels.folded:
        return None
    if kernels.rule.slots and name in ("forward", "adjoint"):
        return None
    return (LARGE_DECAY if kernels.has_decay else LARGE).get(name)


def options(launch: Launch, name: str) -> dict[str, int | None]:
    """Warps, pipelining stages and most registers of a kernel, from measurements
    (docs/kernels.md)."""
    special = tuned(launch, name)
    if special:
        warps, stages, registers = special[1:]
        return {"num_warps": warps, "num_stages": stages, "maxnreg": registers}
    kernels, shape = launch.kernels, launch.kernels.shape
    small = shape.block_c <= 32
    if name == "prepare":
        few = 1 if shape.block_k <= 32 else 2
        return {"num_warps": few if small else 4, "num_stages": 1}
    if shape.block_k <= 32:
        return {"num_warps": 1 if small else 2, "num_stages": 3 if shape.block_c <= 16 else 2}
    registers = None
    if name == "gradients":
        warps = 4 if small else 8
        stages = (2 if small else 3) if shape.bf16 else 1
        if small and shape.bf16 and can_go_one_by_one(kernels) and kernels.can_split:
            registers = 168
    elif shape.block_k * shape.block_v > 128 * 64:
        warps, stages = 8, 3 if small else 2
    else:
        warps, stages = 4, 2 if shape.block_v <= 32 else 3
    stages = fitting(launch, name, stages)
    return {"num_warps": warps, "num_stages": stages, "maxnreg": registers}


SHARED = 232_448
"""Bytes of shared memory that a program may have on an H100 or H200."""


def fitting(launch: Launch, name: str, stages: int) -> int:
    """As many stages as shared memory holds: each has the tiles of one turn of the loop, but for
    the last one in fp32, which the matrix units do not read.

    Beside them lie what the turn itself makes for products (in `forward` a state and a chunk's
    rows of it) and what changes its layout: bounds of what Triton 3.6 took for the built-in rules.
    """
    shape, columns = launch.kernels.shape, launch.columns(name)
    tiles = (2 if shape.bf16 else 4) * tiles_of_turn(launch.kernels, name, columns)
    made = 24_576
    if shape.bf16 and name == "forward":
        made = 2 * (shape.block_k + shape.block_c) * columns + 8192
    last = 0 if shape.bf16 else 1
    while stages > 1 and (stages - last) * tiles + made > SHARED:
        stages -= 1
    return stages


def tiles_of_turn(kernels: Kernels, name: str, columns: int) -> int:
    """Numbers in the tiles that a turn of the kernel's loop reads for its products.

    Others, as S and slots in `adjoint`, go to registers and are there once.
    """
    shape = kernels.shape
    square, keys = shape.block_c**2, shape.block_c * shape.block_k
    values, state = shape.block_c * columns, shape.block_k * columns
    if name == "gradients":
        return 3 * values + 2 * state
    weights = square + keys if kernels.folded else square
    read = 2 * keys + weights + values
    if name == "forward":
        return read + square
    return read + (not kernels.folded) * square + kernels.adjoint_needs_Y * values


def _rows(x: Tensor) -> Tensor:
    """[N, T, H, D] with its last axis contiguous; anything else as it is."""
    return x if x.ndim < 4 or x.stride(-1) == 1 else x.contiguous()
