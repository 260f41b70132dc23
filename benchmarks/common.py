"""What the benchmarks share: timing, versions, slopes, tables, compiling ahead, JSON."""

import json
import math
import multiprocessing
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

NAN = float("nan")


def need_gpu() -> None:
    """Ends the program with one line where torch sees no GPU."""
    if not torch.cuda.is_available():
        sys.exit("this benchmark needs a GPU: torch sees none here")


def time_ms(call: Callable[[], Any], warmup: int = 20, rep: int = 100) -> tuple[float, float]:
    """Median and spread (80th minus 20th percentile), both in ms."""
    from triton.testing import do_bench

    low, median, high = do_bench(call, warmup=warmup, rep=rep, quantiles=[0.2, 0.5, 0.8])
    return median, high - low


def recorded(call: Callable[[], Any]) -> tuple[Callable[[], Any], str]:
    """The call as a CUDA graph, whose time is the device's alone, and "".

    Where it cannot be recorded, the call itself and why.
    """
    try:
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(2):  # kernels compile and memory is allocated outside the recording
                call()
        torch.cuda.current_stream().wait_stream(stream)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            call()
    except RuntimeError as error:
        torch.cuda.synchronize()
        return call, f"not recorded: {first_line(error)}"
    return graph.replay, ""


def copy_bandwidth() -> float:
    """Bytes per second of a large device-to-device copy, read and written bytes counted."""
    x = torch.empty(2**30, device="cuda", dtype=torch.bfloat16)
    y = torch.empty_like(x)
    return 2 * x.nbytes / (time_ms(lambda: y.copy_(x))[0] * 1e-3)


def relative_error(found: float, expected: float) -> float:
    """|found - expected| / |expected|; infinite where either is not finite."""
    if not (math.isfinite(found) and math.isfinite(expected)):
        return math.inf
    return abs(found - expected) / abs(expected)


def exponent(sizes: Sequence[float], times: Sequence[float]) -> float:
    """a of the least-squares fit times ~ sizes^a; NaN for fewer than two finite points."""
    points = [
        (math.log(s), math.log(t))
        for s, t in zip(sizes, times, strict=True)
        if s > 0 and math.isfinite(t) and t > 0
    ]
    if len({x for x, _ in points}) < 2:
        return NAN
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    rise = sum((x - mean_x) * (y - mean_y) for x, y in points)
    return rise / sum((x - mean_x) ** 2 for x, _ in points)


def slope(size: str, points: Mapping[int, tuple[float, int]]) -> dict[str, Any]:
    """How time grows with a size. points: (ms, tokens) by size.

    ns_per_token: by size; exponent: of the time itself, 1 where it is proportional; last_to_first:
    time per token of the largest size over that of the smallest.
    """
    each = {at: ms * 1e6 / tokens for at, (ms, tokens) in sorted(points.items())}
    costs = list(each.values())
    return {
        "size": size,
        "ns_per_token": each,
        "exponent": exponent(sorted(points), [points[at][0] for at in sorted(points)]),
        "last_to_first": costs[-1] / costs[0] if len(costs) > 1 else NAN,
    }


PACKAGES = ("triton", "flash-linear-attention")


def versions(more: Sequence[str] = ()) -> dict[str, str]:
    """What a figure depends on, as text: card, driver, CUDA, Python and packages."""
    found = {
        "card": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "driver": _driver(),
        "cuda": str(torch.version.cuda),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    return found | {name: _version(name) for name in (*PACKAGES, *more)}


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


@cache
def _driver() -> str:
    ask = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        return subprocess.run(ask, capture_output=True, text=True, check=True).stdout.split()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "unknown"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns as wide as their widest cell; the first to the left, the others to the right."""
    lines = [list(head), *([_cell(each) for each in row] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _cell(value: object) -> str:
    """Four figures of a number, "-" for what was not measured."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def write_json(path: Path | None, record: Mapping[str, Any]) -> None:
    """Strict JSON: what is not a finite number becomes null."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(plain(record), indent=1, allow_nan=False) + "\n")


def plain(value: Any) -> Any:
    """A value as strict JSON can hold it."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value


def precompile(processes: int, work: Callable[[Any], None], jobs: Sequence[Any]) -> None:
    """Runs work(job) for all jobs in so many processes, for the kernels they leave in the cache.

    Triton keeps compiled kernels in a folder that processes share. A job that fails is only named:
    the measurement itself will say why.
    """
    spawn = multiprocessing.get_context("spawn")  # a GPU cannot be used after a fork
    with ProcessPoolExecutor(processes, mp_context=spawn) as pool:
        for job, future in [(job, pool.submit(work, job)) for job in jobs]:
            try:
                future.result()
            except Exception as error:
                print(f"compiling ahead failed for {job}: {first_line(error)}", flush=True)


def first_line(error: Exception) -> str:
    """What went wrong, short enough for a table."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:80]}" if lines else type(error).__name__
