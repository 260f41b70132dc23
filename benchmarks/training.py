"""Tokens per second of the whole training step: gather, forward, backward, AdamW.

    python benchmarks/training.py [--out training.json] [--rules delta momentum ...] [--quick]
                                  [--profile] [--precompile N]

Needs a GPU. Each row is the median of repeated recorded steps (one CUDA graph), bf16, on random
words; the rows of flash-linear-attention are its DeltaNet layer in the same model, one model at a
time, unrecorded (benchmarks/one_model.py). A row whose losses are off (check below) has no speed.
"steady" is a step among others that run on end for seconds, with the card's clock and power
(benchmarks/clocks.py). A JSON that lacks cases names them.
"""

import argparse
import time
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from clocks import steady
from common import (
    NAN,
    copy_bandwidth,
    first_line,
    need_gpu,
    precompile,
    time_ms,
    versions,
    write_json,
)
from one_model import FLA, fla_available, fla_errors, fla_step
from step_cases import Case, Row, as_json, floor_ms, missing, show, slopes
from step_check import BATCH, LIMIT, losses_of, population, reference, worst

CASES = (
    *(Case(members, 128) for members in (1, 6, 24, 48, 96)),
    *(Case(members, 1024) for members in (1, 6, 12, 24, 48)),  # 96 need 165 GiB
    *(Case(48, 128, rule) for rule in ("momentum", "adam", "gated_delta")),
    Case(48, 128, heads=4),
    Case(48, 32),
    Case(1, 128, FLA),
    Case(1, 1024, FLA),
)
QUICK = (Case(1, 128), Case(48, 128), Case(1, 128, FLA))
RULES = tuple(dict.fromkeys(case.rule for case in CASES))


@lru_cache
def error_of(rule: str, heads: int, length: int) -> float:
    """Largest relative error of a step's losses, two members; see `step_check`."""
    if rule == FLA:
        return fla_errors(length)
    return worst(losses_of(rule, heads, length), reference(rule, heads, length))


def measure(case: Case, bandwidth: float) -> Row:
    """The row of a case; no speed unless its losses are right."""
    row = Row(case, error_of(case.rule, case.heads, case.T))
    if not row.error < LIMIT:
        row.note = "check failed: no speed"
        return row
    if case.rule == FLA:
        alone = fla_step(case.T)
        row.ms, row.spread = time_ms(alone, warmup=500, rep=2000)
        row.steady_ms, row.clocks = steady(alone)
        return row
    running = population(case.rule, case.heads, case.T, case.P)
    began = time.perf_counter()
    running.advance(BATCH)
    torch.cuda.synchronize()
    row.first_s = time.perf_counter() - began

    def step() -> None:
        running.cursor.zero_()
        running.advance(BATCH)

    row.ms, row.spread = time_ms(step, warmup=50, rep=300)
    row.steady_ms, row.clocks = steady(step)
    row.numbers = running.network.flat.values.shape[1]
    row.floor_ms = floor_ms(case, row.numbers, bandwidth)
    return row


def attempt(case: Case, bandwidth: float) -> Row:
    """`measure`; a case that raises is a row without figures, so that the others are not lost."""
    try:
        return measure(case, bandwidth)
    except Exception as error:
        return Row(case, NAN, note=f"failed: {first_line(error)}")


def compile_case(case: Case) -> None:
    """One step of a case and of its check, for the kernels in Triton's cache."""
    if case.rule == FLA:
        fla_step(case.T)()
    else:
        for members in (2, case.P):
            population(case.rule, case.heads, case.T, members).advance(BATCH)
    torch.cuda.synchronize()
    torch.cuda.empty_cache()


def profile(case: Case) -> None:
    """Where a step's time goes, by kernel."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as record

    running = population(case.rule, case.heads, case.T, case.P)
    running.advance(BATCH)
    with record(activities=[ProfilerActivity.CUDA]) as seen:
        running.cursor.zero_()
        running.advance(BATCH)
        torch.cuda.synchronize()
    print(seen.key_averages().table(sort_by="device_time_total", row_limit=25))


def as_record(rows: list[Row], bandwidth: float) -> dict[str, Any]:
    facts = {**versions(), "bandwidth": bandwidth, "batch": BATCH, "limit": LIMIT}
    facts |= {"missing": missing(rows, CASES)}
    return facts | {"cases": [as_json(row) for row in rows], "slopes": slopes(rows)}


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--profile", action="store_true", help="kernel times of P = 48, T = 128")
    parser.add_argument("--precompile", type=int, default=0, metavar="N", help="processes")
    parser.add_argument("--rules", nargs="+", default=list(RULES), choices=RULES, help="only these")
    parser.add_argument("--quick", action="store_true", help="P = 1, 48 and fla, length 128")
    return parser.parse_args(arguments)


def chosen(rules: list[str], quick: bool) -> list[Case]:
    """Cases of the rules, but those of flash-linear-attention where it is not installed."""
    cases = [case for case in (QUICK if quick else CASES) if case.rule in rules]
    if fla_available() or all(case.rule != FLA for case in cases):
        return cases
    print("flash-linear-attention is not installed: its rows are left out")
    return [case for case in cases if case.rule != FLA]


def main() -> None:
    options = parse()
    need_gpu()
    cases = chosen(options.rules, options.quick)
    if options.precompile:
        precompile(options.precompile, compile_case, cases)
    bandwidth, rows = copy_bandwidth(), []
    for case in cases:
        torch.cuda.empty_cache()
        row = attempt(case, bandwidth)
        rows.append(row)
        said = f"{row.ms:.3f} ms, steady {row.steady_ms:.3f} ms {row.note}"
        print(f"{case} error {row.error:.1e}, {said}", flush=True)
        write_json(options.out, as_record(rows, bandwidth))  # what is measured is kept
    if options.profile:
        profile(replace(CASES[0], P=48))
    facts = ", ".join(f"{name} {text}" for name, text in versions().items())
    print(f"\n{facts}, copy {bandwidth / 1e12:.2f} TB/s\n{show(rows)}")
    if missing(rows, CASES):
        print(f"a part: {len(rows)} of {len(CASES)} cases")


if __name__ == "__main__":
    main()
