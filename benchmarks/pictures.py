"""Draws docs/pictures/throughput.svg and kernels.svg from what the benchmarks wrote.

    python benchmarks/pictures.py [--training training.json] [--kernels kernels.json]
                                  [--to docs/pictures]

Needs no GPU. Readable on light and dark pages: each picture has its own paper.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernel_picture import kernels
from paper import canvas_of, standalone

from archer.report.svg import Axis

LEFT, RIGHT, TOP = 66, 620, 52
NOTHING = "nothing to draw: {} has no measured case of `delta` with one head"


@dataclass(frozen=True)
class Series:
    """A line of a plot: kind is its class, marker its shape or None for a line alone."""

    name: str
    points: Sequence[tuple[float, float]]
    kind: str
    marker: int | None = None


def measured(record: dict[str, Any], length: int, rule: str) -> list[dict[str, Any]]:
    """Cases with a speed at one length, one head, by population."""
    found = [
        case
        for case in record["cases"]
        if (case["T"], case["rule"], case["heads"]) == (length, rule, 1) and case["ms"]
    ]
    return sorted(found, key=lambda case: case["P"])


def throughput_series(record: dict[str, Any]) -> list[Series]:
    """Archer at each length, its floor, and flash-linear-attention's layer one model at a time."""
    found: list[Series] = []
    most = max((case["P"] for case in record["cases"]), default=1)
    for length, kind, marker in ((128, "a", 0), (1024, "b", 1)):
        cases = measured(record, length, "delta")
        if not cases:
            continue
        points = [(case["P"], case["tokens_per_s"] / 1e6) for case in cases]
        found.append(Series(f"Archer, length {length}", points, f"line {kind}", marker))
        for peer in measured(record, length, "fla:DeltaNet")[:1]:
            rate = peer["tokens_per_s"] / 1e6
            name = f"one model at a time, flash-linear-attention, length {length}"
            found.append(Series(name, [(1, rate), (most, rate)], f"line dash {kind}"))
    floor = [
        (case["P"], case["tokens_per_s"] * case["ms"] / case["floor_ms"] / 1e6)
        for case in measured(record, 128, "delta")
        if case["floor_ms"]
    ]
    return [*found, *([Series("floor from bytes moved, length 128", floor, "floor")] * bool(floor))]


def throughput(record: dict[str, Any]) -> str:
    """Tokens per second of the training step against population size, both logarithmic.

    record: what training.py wrote. Exits where it has no measured case.
    """
    series = throughput_series(record)
    if not series:
        sys.exit(NOTHING.format("the training record"))
    rates = [rate for each in series for _, rate in each.points]
    members = sorted({at for each in series if each.marker is not None for at, _ in each.points})
    bottom = 340
    canvas = canvas_of(bottom + 54 + 20 * len(series), "Training step: tokens per second", record)
    x = Axis(members[0], max(members[-1], members[0] * 2), LEFT + 10, RIGHT - 10, log=True)
    y = Axis(min(rates) * 0.8, max(rates) * 1.2, bottom, TOP, log=True)
    for tick in (m * 10.0**e for e in range(-3, 4) for m in (1, 2, 5)):
        if y.low <= tick <= y.high:
            canvas.line(LEFT, y.at(tick), RIGHT, y.at(tick), "grid")
            canvas.text(LEFT - 8, y.at(tick) + 4, f"{tick:g} M", "tick", "end")
    for at in members:
        canvas.text(x.at(at), bottom + 18, f"{at:g}", "tick")
    canvas.text((LEFT + RIGHT) / 2, bottom + 36, "members in the population", "label")
    for i, each in enumerate(series):
        canvas.path([(x.at(at), y.at(rate)) for at, rate in each.points], each.kind)
        row = bottom + 58 + 20 * i
        canvas.path([(LEFT, row - 4), (LEFT + 30, row - 4)], each.kind)
        canvas.text(LEFT + 40, row, each.name, "", "start")
        if each.marker is not None:
            dot = each.kind.replace("line", "dot")
            canvas.marker(LEFT + 15, row - 4, each.marker, dot, each.name)
            for at, rate in each.points:
                tip = f"{each.name}, {at:g} members: {rate:.1f} M tokens/s"
                canvas.marker(x.at(at), y.at(rate), each.marker, dot, tip)
    return standalone(canvas)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--training", type=Path, help="JSON of training.py")
    parser.add_argument("--kernels", type=Path, help="JSON of kernels.py")
    parser.add_argument("--to", type=Path, default=Path("docs/pictures"))
    options = parser.parse_args(arguments)
    if options.training is None and options.kernels is None:
        parser.error("give --training, --kernels or both")
    return options


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    drawn = {
        name: draw(json.loads(path.read_text()))
        for name, draw, path in (
            ("throughput", throughput, options.training),
            ("kernels", kernels, options.kernels),
        )
        if path is not None
    }
    options.to.mkdir(parents=True, exist_ok=True)
    for name, text in drawn.items():
        (options.to / f"{name}.svg").write_text(text)
        print(options.to / f"{name}.svg")


if __name__ == "__main__":
    main()
