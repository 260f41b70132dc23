"""How the generated kernels are launched: tiles, warps, pipeline stages, registers.

From measurements on an H200 (docs/kernels.md); none of it changes what they compute, but for the
order of sums.
"""

from typing import NamedTuple

from archer.memory.kernels import Kernels


def block(size: int) -> int:
    """Tile size: the next power of two, at least 16."""
    return max(16, 1 << (size - 1).bit_length())


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


def tuned(kernels: Kernels, name: str) -> Tuned | None:
    """What the tables say; walks with slots keep more on chip and were not measured with them, nor
    were gates or rules whose columns may not be split."""
    shape = kernels.shape
    large = shape.bf16 and shape.block_c == 64 and shape.block_k == 128 and shape.block_v >= 64
    if not large or not kernels.can_split or not kernels.folded:
        return None
    if kernels.rule.slots and name in ("forward", "adjoint"):
        return None
    return (LARGE_DECAY if kernels.has_decay else LARGE).get(name)


def columns(kernels: Kernels, name: str) -> int:
    """Columns of d_v that a kernel has on chip."""
    shape = kernels.shape
    if name == "prepare":
        return block(shape.d_v)
    special = tuned(kernels, name)
    if special:
        return special.columns
    if name == "gradients" and kernels.can_split:
        return min(64, block(shape.d_v))
    return shape.block_v


def options(kernels: Kernels, name: str) -> dict[str, int | None]:
    """Warps, pipelining stages and most registers of a kernel, from measurements
    (docs/kernels.md)."""
    special = tuned(kernels, name)
    if special:
        warps, stages, registers = special[1:]
        return {"num_warps": warps, "num_stages": stages, "maxnreg": registers}
    shape = kernels.shape
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
        if small and shape.bf16 and kernels.keys_last and kernels.can_split:
            registers = 168
    elif shape.block_k * shape.block_v > 128 * 64:
        warps, stages = 8, 3 if small else 2
    else:
        warps, stages = 4, 2 if shape.block_v <= 32 else 3
    stages = fitting(kernels, name, stages)
    return {"num_warps": warps, "num_stages": stages, "maxnreg": registers}


SHARED = 232_448
"""Bytes of shared memory that a program may have on an H100 or H200."""


def fitting(kernels: Kernels, name: str, stages: int) -> int:
    """As many stages as shared memory holds: each has the tiles of one turn of the loop, but for
    the last one in fp32, which the matrix units do not read.

    Beside them lie what the turn itself makes for products (in `forward` a state and a chunk's
    rows of it) and what changes its layout: bounds of what Triton 3.6 took for the built-in rules.
    """
    shape, width = kernels.shape, columns(kernels, name)
    tiles = (2 if shape.bf16 else 4) * tiles_of_turn(kernels, name, width)
    made = 24_576
    if shape.bf16 and name == "forward":
        made = 2 * (shape.block_k + shape.block_c) * width + 8192
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
