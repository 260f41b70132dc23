"""Generated kernels against flash-linear-attention's, forward and backward, beside their floor.

    python benchmarks/kernels.py [--out kernels.json] [--rules delta momentum ...] [--quick]
                                 [--precompile N]

Needs a GPU. Every speed is the median of repeated runs on random bf16 data in one process, recorded
as CUDA graphs, which leaves out what the host takes to launch them; "eager" is the same with it. A
case whose correctness check fails reports no speed. The floor is bytes over the measured copy
bandwidth: q, k, v, o read or written once forward, and again with their gradients backward.
"""

import argparse
from dataclasses import asdict
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
    time_ms,
    versions,
    write_json,
)
from kernel_cases import (
    BOTH,
    FEW_LENGTHS,
    FORWARD,
    LENGTHS,
    POPULATIONS,
    SHAPES,
    Case,
    compare_to_delta,
    show,
    slopes,
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
