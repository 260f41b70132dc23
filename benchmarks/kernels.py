"""Generated kernels against flash-linear-attention's, forward and backward, beside their floor.

    python benchmarks/kernels.py [--out kernels.json] [--rules delta momentum ...] [--quick]
                                 [--precompile N]

Needs a GPU. Every speed is the median of repeated runs on random bf16 data in one process, recorded
as CUDA graphs, which leaves out what the host takes to launch them; "eager" is the same with it. A
case whose correctness check fails reports no speed. The floor is bytes over the measured copy
bandwidth: q, k, v, o read or written once forward, and again with their gradients backward.
"""

import argparse
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from common import (
    NAN,
    copy_bandwidth,
    first_line,
    need_gpu,
    precompile,
    recorded,
    slope,
    table,
    time_ms,
    versions,
    write_json,
)
from kernel_check import (
    LIMIT,
    SEQUENCES,
    Inputs,
    Shape,
    checked_length,
    differentiate,
    fla_error,
    make_inputs,
    run_archer,
    run_fla,
    worst_error,
)

from archer.memory.fused import PROGRAMS_TO_FILL
from archer.rules.graph import RuleGraph
from archer.rules.load import BUILTIN, builtin_graph

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


def make_case(rule: RuleGraph, shape: Shape, bandwidth: float) -> Case:
    """A case with its check done and its floor, not timed yet. bandwidth: bytes per second."""
    N, T, H, D = shape
    tensor = 2 * N * T * H * D / bandwidth * 1e3
    error, checked = worst_error(rule, shape), checked_length(rule, T)
    return Case(rule.name, shape, error, checked, FORWARD * tensor, BOTH * tensor)


def measure(rule: RuleGraph, shape: Shape, bandwidth: float, peer: bool) -> Case:
    """Times a case, and flash-linear-attention's kernel where it has one and `peer` holds."""
    case = make_case(rule, shape, bandwidth)
    if not case.error < LIMIT:
        case.note = "check failed: no speed"
        return case
    inputs = make_inputs(rule, shape)

    def both() -> None:
        differentiate(run_archer(rule, inputs), inputs)

    forward, _ = recorded(lambda: run_archer(rule, inputs))
    case.forward, _ = time_ms(forward)
    replay, case.note = recorded(both)
    case.both, case.spread = time_ms(replay)
    case.eager, _ = time_ms(both)
    if peer and rule.name in ("delta", "gated_delta"):
        time_peer(case, rule, inputs)
    return case


def time_peer(case: Case, rule: RuleGraph, inputs: Inputs) -> None:
    """flash-linear-attention's kernel on the same inputs; the note says why it did not run."""
    theirs = {**inputs, "beta": inputs["beta"].detach().to(inputs["q"].dtype).requires_grad_()}

    def both() -> None:
        differentiate(run_fla(rule, theirs), theirs)

    try:
        case.peer_error = fla_error(rule.name, case.checked_length, *case.shape[2:])
        replay, why = recorded(both)
        case.note += f" fla {why}" * bool(why)
        case.peer, case.peer_spread = time_ms(replay)
        case.peer_eager, _ = time_ms(both)
    except Exception as error:
        case.note = f"fla: {first_line(error)}"


def chosen(rules: list[str], quick: bool) -> list[tuple[str, Shape]]:
    """Rules and shapes of the table; quick: the rules without a peer at the first shape only."""
    peers = ("delta", "gated_delta")
    return [
        (rule, shape)
        for shape in SHAPES
        for rule in rules
        if not quick or shape == SHAPES[0] or rule in peers
    ]


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


def compile_case(job: tuple[str, Shape]) -> None:
    """A case and its check's shape, with few sequences, for the kernels in Triton's cache."""
    rule, (N, T, H, D) = builtin_graph(job[0]), job[1]
    for few in (SEQUENCES, min(N, PROGRAMS_TO_FILL)):  # fewer programs are cut up differently
        inputs = make_inputs(rule, (few, checked_length(rule, T) if few == SEQUENCES else T, H, D))
        differentiate(run_archer(rule, inputs), inputs)
    torch.cuda.synchronize()
    torch.cuda.empty_cache()


def as_record(cases: list[Case], growth: list[Case], bandwidth: float) -> dict[str, Any]:
    compare_to_delta(cases)
    facts = {**versions(), "bandwidth": bandwidth, "limit": LIMIT, "slopes": slopes(growth)}
    return facts | {"cases": list(map(asdict, cases)), "growth": list(map(asdict, growth))}


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--rules", nargs="+", default=list(BUILTIN), choices=list(BUILTIN))
    parser.add_argument("--quick", action="store_true", help="first shape only for most rules")
    parser.add_argument("--precompile", type=int, default=0, metavar="N", help="processes")
    return parser.parse_args(arguments)


def main() -> None:
    options = parse()
    need_gpu()
    jobs = chosen(options.rules, options.quick)
    growing = ["delta"] if options.quick else options.rules
    growth = [(rule, shape) for rule in growing for shape in (*LENGTHS, *POPULATIONS)]
    growth += [("delta", shape) for shape in FEW_LENGTHS if shape not in POPULATIONS]
    if options.precompile:
        precompile(options.precompile, compile_case, list(dict.fromkeys([*jobs, *growth])))
    bandwidth = copy_bandwidth()
    cases: list[Case] = []
    grown: list[Case] = []
    for done, planned, peer in ((cases, jobs, True), (grown, growth, False)):
        for job in planned:
            done.append(_measured(job, bandwidth, peer))
            write_json(options.out, as_record(cases, grown, bandwidth))  # what is measured is kept
    facts = ", ".join(f"{name} {text}" for name, text in versions().items())
    print(f"\n{facts}, copy {bandwidth / 1e12:.2f} TB/s\n{show(cases, slopes(grown))}")


def _measured(job: tuple[str, Shape], bandwidth: float, peer: bool) -> Case:
    """A case, said while the next one runs."""
    rule = builtin_graph(job[0])
    try:
        case = measure(rule, job[1], bandwidth, peer)
    except Exception as error:  # a row without figures, so that the others are not lost
        case = Case(job[0], job[1], NAN, 0, NAN, NAN, note=f"failed: {first_line(error)}")
    said = f"error {case.error:.1e}, {case.both:.3f} ms {case.note}"
    print(f"{case.rule} {case.shape}: {said}", flush=True)
    return case


if __name__ == "__main__":
    main()
