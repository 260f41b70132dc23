"""Tokens per second of the whole training step: gather, forward, backward, AdamW.

    python benchmarks/training.py [--out training.json] [--profile]

Needs a GPU. Each line is the median of repeated recorded steps (one CUDA graph), bf16, random data.
"""

import argparse
import json
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from archer.model import ModelConfig, build
from archer.rules.load import builtin_graph
from archer.train.data import Split
from archer.train.network import Network
from archer.train.running import Running

BATCH = 128
EXAMPLES = 1280
WORDS = 16
CASES: tuple[dict[str, Any], ...] = (
    *({"P": members, "T": 128} for members in (1, 6, 24, 48, 96)),
    *({"P": 48, "T": 128, "rule": rule} for rule in ("momentum", "adam", "gated_delta")),
    {"P": 48, "T": 128, "heads": 4},
    {"P": 12, "T": 1024},
    {"P": 48, "T": 32},
)


def population(P: int, T: int, rule: str = "delta", heads: int = 1) -> Running:
    """P members of the benchmark's model on random data, ready to step."""
    device = torch.device("cuda")
    config = ModelConfig(vocab_size=WORDS, length=T, heads=heads)
    streams = [f"member {i}" for i in range(P)]
    network = Network(build(builtin_graph(rule), config, streams).to(device), "bf16")
    rng = np.random.default_rng(0)
    inputs = rng.integers(0, WORDS, (EXAMPLES, T), dtype=np.int32)
    split = Split([(inputs, np.roll(inputs, -1, 1).copy())] * P, device)
    running = Running(network, split, BATCH)
    for row in range(P):
        running.seat(row, row, network, 1e-3, 0.1)
        running.begin_epoch(row, torch.arange(EXAMPLES).repeat(8)[: running.order.shape[1]])
    return running


def measure(case: dict[str, Any]) -> dict[str, Any]:
    """Milliseconds per step and tokens per second."""
    from triton.testing import do_bench

    running = population(**case)
    began = time.perf_counter()
    running.advance(BATCH)
    torch.cuda.synchronize()
    first = time.perf_counter() - began

    def step() -> None:
        running.cursor.zero_()
        running.advance(BATCH)

    low, ms, high = do_bench(step, warmup=50, rep=300, quantiles=[0.2, 0.5, 0.8])
    tokens = case["P"] * BATCH * case["T"]
    return {
        **case,
        "ms": ms,
        "spread": high - low,
        "tokens_per_s": tokens / ms * 1e3,
        "first": first,
    }


def profile(P: int, T: int) -> None:
    """Where a step's time goes, by kernel."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as record

    running = population(P, T)
    running.advance(BATCH)
    with record(activities=[ProfilerActivity.CUDA]) as seen:
        running.cursor.zero_()
        running.advance(BATCH)
        torch.cuda.synchronize()
    print(seen.key_averages().table(sort_by="device_time_total", row_limit=25))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        parser.error("this benchmark needs a GPU")
    rows = []
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}")
    for case in CASES:
        torch.cuda.empty_cache()
        rows.append(measure(case))
        rate = rows[-1]["tokens_per_s"] / 1e6
        print(f"{case!s:44s} {rows[-1]['ms']:8.3f} ms {rate:7.1f} M tokens/s", flush=True)
    if options.profile:
        profile(48, 128)
    if options.out:
        record = {"card": torch.cuda.get_device_name(), "torch": torch.__version__}
        record |= {"python": platform.python_version(), "cases": rows}
        options.out.write_text(json.dumps(record, indent=1))


if __name__ == "__main__":
    main()
