"""The card's clock and power while something runs on end, asked of nvidia-smi in a thread.

Nothing is known, and nothing fails, where nvidia-smi is missing or does not know the card.
"""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

import torch
from common import NAN

QUERIES = (
    "clocks.sm,power.draw,clocks_event_reasons.active",
    "clocks.sm,power.draw,clocks_throttle_reasons.active",  # what older drivers call it
    "clocks.sm,power.draw",
)
LIMITS = {
    0x04: "power",
    0x08: "hardware",
    0x20: "heat",
    0x40: "heat, hardware",
    0x80: "power brake",
}  # the bits of NVML that slow a card down
SECONDS = 3.0  # power is a mean over the second before


@dataclass(frozen=True)
class Clocks:
    """Medians over the second half of what was asked: MHz and watts, NaN where nothing came.

    limits: what held the clock down, with its share of the samples, "power 80%".
    """

    sm_mhz: float = NAN
    watts: float = NAN
    limits: str = ""


@contextmanager
def watched() -> Iterator[list[list[str]]]:
    """What nvidia-smi says again and again while the block runs, one list per answer."""
    samples: list[list[str]] = []
    over = threading.Event()
    thread = threading.Thread(target=_ask, args=(samples, over), daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        over.set()
        thread.join()


def steady(step: Callable[[], object], seconds: float = SECONDS) -> tuple[float, Clocks]:
    """Milliseconds of a step that runs on end for so long, as in a training, and the clocks."""
    torch.cuda.synchronize()
    steps, took, began = 0, 0.0, time.perf_counter()
    with watched() as samples:
        while took < seconds:
            for _ in range(10):
                step()
            torch.cuda.synchronize()
            steps, took = steps + 10, time.perf_counter() - began
    return took / steps * 1e3, summary(samples)


def summary(samples: Sequence[Sequence[str]]) -> Clocks:
    late = samples[len(samples) // 2 :]
    return Clocks(_middle(late, 0), _middle(late, 1), _limits(late))


def _ask(samples: list[list[str]], over: threading.Event) -> None:
    card, queries = _card(), list(QUERIES)
    while queries and not over.wait(0.05):
        sample = _sample(queries[0], card)
        if sample:
            samples.append(sample)
        elif not samples:
            queries.pop(0)


def _card() -> list[str]:
    """nvidia-smi numbers cards in its own way: the one in use by its identity."""
    identity = getattr(torch.cuda.get_device_properties(torch.cuda.current_device()), "uuid", None)
    return [] if identity is None else [f"--id=GPU-{identity}"]


def _sample(query: str, card: Sequence[str]) -> list[str]:
    """The values of a query, in its order; nothing where it is refused."""
    ask = ["nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader,nounits", *card]
    try:
        said = subprocess.run(ask, capture_output=True, text=True, check=True, timeout=10).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [each.strip() for each in said.partition("\n")[0].split(",")]


def _middle(samples: Sequence[Sequence[str]], column: int) -> float:
    found = []
    for sample in samples:
        try:
            found.append(float(sample[column]))
        except (IndexError, ValueError):  # "[N/A]"
            continue
    return median(found) if found else NAN


def _limits(samples: Sequence[Sequence[str]]) -> str:
    masks = [int(sample[2], 16) for sample in samples if sample[2:] and sample[2].startswith("0x")]
    shares = {
        name: sum(bool(mask & bit) for mask in masks) / len(masks)
        for bit, name in LIMITS.items()
        if masks
    }
    return ", ".join(f"{name} {share:.0%}" for name, share in shares.items() if share)
