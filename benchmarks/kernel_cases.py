"""Cases of the kernels' benchmark, how their cost grows, and their table."""

from dataclasses import dataclass, field
from typing import Any

from common import NAN, slope, table
from kernel_check import Shape

SHAPES: tuple[Shape, ...] = (
    (3072, 128, 1, 128), (3072, 128, 4, 32), (384, 1024, 1, 128), (8, 4096, 16, 128),
)  # fmt: skip
FILLED, FEW = 2**21, 2**19  # tokens; at 16384 a walk has 256 programs, or too few for the card
LENGTHS: tuple[Shape, ...] = tuple((FILLED // T, T, 1, 128) for T in (128, 1024, 4096, 16384))
FEW_LENGTHS: tuple[Shape, ...] = tuple((FEW // T, T, 1, 128) for T in (128, 1024, 4096, 16384))
POPULATIONS: tuple[Shape, ...] = tuple((128 * P, 128, 1, 128) for P in (1, 6, 24, 48, 96))
FORWARD, BOTH = 4, 11  # tensors of the size of q that must move


@dataclass
class Case:
    """One measured case; times in milliseconds, NaN where the check failed or nothing ran."""

    rule: str
    shape: Shape
    error: float
    checked_length: int
    floor_forward: float
    floor: float
    forward: float = NAN
    both: float = NAN
    spread: float = NAN
    peer_error: float = NAN
    peer: float = NAN
    peer_spread: float = NAN
    note: str = ""
    to_delta: float = field(default=NAN)
    eager: float = NAN
    peer_eager: float = NAN

    @property
    def tokens(self) -> int:
        return self.shape[0] * self.shape[1]


def compare_to_delta(cases: list[Case]) -> None:
    """Sets every case's time over that of `delta` at the same shape."""
    delta = {case.shape: case.both for case in cases if case.rule == "delta"}
    for case in cases:
        case.to_delta = case.both / delta.get(case.shape, NAN)


def slopes(growth: list[Case]) -> list[dict[str, Any]]:
    """How cost grows, by rule: with length at so many tokens, with population at length 128."""
    found = []
    for rule in dict.fromkeys(case.rule for case in growth):
        for size, axis, shapes in (
            (f"length at {FILLED:,} tokens", 1, LENGTHS),
            (f"length at {FEW:,} tokens", 1, FEW_LENGTHS),
            ("sequences", 0, POPULATIONS),
        ):
            mine = [c for c in growth if c.rule == rule and c.shape in shapes and c.both == c.both]
            if len(mine) > 1:
                points = {c.shape[axis]: (c.both, c.tokens) for c in mine}
                found.append({"rule": rule, **slope(size, points)})
    for each in found:
        costs = each["ns_per_token"]
        if 16384 in costs and 1024 in costs and each["size"].startswith("length"):
            each["16384_to_1024"] = costs[16384] / costs[1024]
    return found


HEAD = (
    "rule", "shape", "error", "fwd ms", "both ms", "spread", "eager", "floor", "/floor", "/delta",
    "fla error", "fla ms", "fla eager", "fla/ours", "note",
)  # fmt: skip


def show(cases: list[Case], grown: list[dict[str, Any]]) -> str:
    """The table and, below it, time per token by size."""
    lines = [
        (c.rule, "x".join(map(str, c.shape)), c.error, c.forward, c.both, c.spread, c.eager,
         c.floor, c.both / c.floor, c.to_delta, c.peer_error,
         c.peer, c.peer_eager, c.peer / c.both, c.note)
        for c in cases
    ]  # fmt: skip
    said = []
    for s in grown:
        costs = ", ".join(f"{at}: {1 / ns:.3f}" for at, ns in s["ns_per_token"].items())
        ratio = s.get("16384_to_1024", NAN)
        said.append(
            f"{s['rule']} against {s['size']}: tokens per ns {costs}; time ~ size^"
            f"{s['exponent']:.3f}" + (f"; per token 16384 / 1024 {ratio:.3f}" * (ratio == ratio))
        )
    return "\n".join([table(HEAD, lines), *said])
