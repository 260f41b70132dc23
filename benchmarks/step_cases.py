"""Cases of the training-step benchmark, their floor, how they grow, and their table."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from clocks import Clocks
from common import NAN, slope, table
from one_model import FLA
from step_check import BATCH

BYTES_PER_NUMBER = 30  # AdamW: value and two moments read and written, gradient read, bf16 written
UNITS = 163 + 8 + 12  # passes over the tokens, docs/performance.md: blocks, ends, states of chunks


@dataclass(frozen=True)
class Case:
    """P members at length T; P models of flash-linear-attention are P steps of one."""

    P: int
    T: int
    rule: str = "delta"
    heads: int = 1

    @property
    def tokens(self) -> int:
        return self.P * BATCH * self.T


@dataclass
class Row:
    """One measured case; times in ms, NaN where the check failed.

    numbers: per member. steady_ms: of a step among others that run on end; clocks: during those.
    """

    case: Case
    error: float
    ms: float = NAN
    spread: float = NAN
    first_s: float = NAN
    floor_ms: float = NAN
    numbers: int = 0
    note: str = ""
    steady_ms: float = NAN
    clocks: Clocks = field(default_factory=Clocks)

    @property
    def rate(self) -> float:
        """Tokens per second."""
        return self.case.tokens / self.ms * 1e3


def floor_ms(case: Case, numbers: int, bandwidth: float, dim: int = 128) -> float:
    """Least time of this design's bytes (docs/performance.md); counted for `delta` with one head.

    numbers: parameters of one member. bandwidth: bytes per second.
    """
    if (case.rule, case.heads) != ("delta", 1):
        return NAN
    moved = UNITS * 2 * dim * case.tokens + BYTES_PER_NUMBER * numbers * case.P
    return moved / bandwidth * 1e3


def slopes(rows: list[Row]) -> list[dict[str, Any]]:
    """Against population at each length, and against length where a step has as many tokens."""
    plain = [row for row in rows if (row.case.rule, row.case.heads) == ("delta", 1)]
    plain = [row for row in plain if row.ms == row.ms]
    found = []
    for length in (128, 1024):
        points = {r.case.P: (r.ms, r.case.tokens) for r in plain if length == r.case.T}
        if len(points) > 1:
            found.append(slope(f"population at length {length}", points))
    for each in (48 * 128, 96 * 128):
        points = {r.case.T: (r.ms, r.case.tokens) for r in plain if each == r.case.P * r.case.T}
        if len(points) > 1:
            found.append(slope(f"length at {each * BATCH} tokens a step", points))
    return found


HEAD = (
    "rule", "members", "length", "heads", "error", "ms", "spread", "M tokens/s", "floor ms",
    "ns/token", "x fla", "steady ms", "SM MHz", "W", "held by", "note",
)  # fmt: skip


def show(rows: list[Row]) -> str:
    """The table and, below it, how the cost grows."""
    alone = {row.case.T: row.rate for row in rows if row.case.rule == FLA}
    lines = []
    for row in rows:
        c = row.case
        lines.append(
            (c.rule, c.P, c.T, c.heads, row.error, row.ms, row.spread, row.rate / 1e6,
             row.floor_ms, 1e3 / (row.rate / 1e6), row.rate / alone.get(c.T, NAN),
             row.steady_ms, row.clocks.sm_mhz, row.clocks.watts, row.clocks.limits, row.note)
        )  # fmt: skip
    said = [
        f"against {s['size']}: time ~ size^{s['exponent']:.3f}, ns per token "
        + ", ".join(f"{at}: {ns:.2f}" for at, ns in s["ns_per_token"].items())
        + f"; last / first {s['last_to_first']:.3f}"
        for s in slopes(rows)
    ]
    return "\n".join([table(HEAD, lines), *said])


def as_json(row: Row) -> dict[str, Any]:
    flat = asdict(row)
    case, clocks = flat.pop("case"), flat.pop("clocks")
    return {**case, **flat, **clocks, "tokens_per_s": row.rate}


def missing(rows: Sequence[Row], cases: Sequence[Case]) -> list[str]:
    """Cases of the whole benchmark without a row: what a JSON of a part says it lacks."""
    measured = {row.case for row in rows}
    return [
        f"{case.rule}, {case.P} members, length {case.T}, {case.heads} head(s)"
        for case in cases
        if case not in measured
    ]
