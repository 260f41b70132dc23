"""The reference implementation's own training loop beside Archer's step, on one card in one run.

    python benchmarks/madlab.py PATH_TO_MAD_LAB [--layer deltanet] [--out madlab.json]

Needs a GPU and a copy of github.com/athms/mad-lab, whose `train` is called as it is, with its own
data: in-context recall at its baseline (16 words, length 128, batch 128, dim 128, [mixer, SwiGLU]
twice, bf16). mad-lab has no DeltaNet; `deltanet` is flash-linear-attention's layer (one head) in
mad-lab's model, any other name a layer of mad-lab's registry. A clock hooked to the model's forward
pass times windows of steps inside an epoch; evaluations and the first windows do not count.
"""

import argparse
import csv
import importlib
import math
import os
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import torch
from common import copy_bandwidth, need_gpu, table, versions, write_json
from torch import nn
from training import Case, as_json, measure

WORDS, LENGTH, BATCH, DIM = 16, 128, 128, 128
WINDOW = 10  # steps timed together
WARM_UP = 4  # windows that do not count: kernels compile, memory is allocated
FEWEST = 5  # windows of a median
LR = 1e-4  # of mad-lab's grid; slow enough that early stopping leaves a few epochs
NEEDED = ("pytorch_lightning", "torchmetrics", "transformers", "einops", "opt_einsum", "pandas",
          "tqdm", "triton", "yaml")  # fmt: skip
MEMBERS = (1, 48)


class Clock:
    """Seconds of windows of training steps; `tick` is a forward pre-hook of the model."""

    def __init__(self, size: int, wait: Callable[[], None]) -> None:
        self.size, self.wait = size, wait
        self.windows: list[float] = []
        self.steps, self.began = 0, 0.0

    def tick(self, module: nn.Module, _: Any) -> None:
        if not module.training:  # an evaluation: the window it interrupts does not count
            self.steps = 0
            return
        if self.steps % self.size == 0:
            self.wait()
            now = time.perf_counter()
            if self.steps:
                self.windows.append(now - self.began)
            self.began = now
        self.steps += 1


@dataclass
class Loop:
    """What the reference's loop did: ms per step by window, warm-up left out; training losses."""

    layer: str
    step_ms: list[float]
    losses: list[float]

    @property
    def ms(self) -> float:
        return median(self.step_ms)

    @property
    def spread(self) -> float:
        """80th minus 20th percentile."""
        cuts = quantiles(self.step_ms, n=5, method="inclusive")
        return cuts[-1] - cuts[0]

    @property
    def rate(self) -> float:
        """Tokens per second."""
        return BATCH * LENGTH / self.ms * 1e3


def wrong(loop: Loop) -> str | None:
    """Why its speed must not be reported, in one line; None if it trained."""
    if len(loop.losses) < 2 or not all(map(math.isfinite, loop.losses)):
        return f"mad-lab's losses are not finite or too few: {loop.losses}"
    if not loop.losses[-1] < loop.losses[0]:
        return f"mad-lab's loss did not fall: {loop.losses[0]:.4f} to {loop.losses[-1]:.4f}"
    if len(loop.step_ms) < FEWEST:
        return f"only {len(loop.step_ms)} windows of steps were timed, {FEWEST} are needed"
    return None


def missing(layer: str) -> list[str]:
    """Modules that mad-lab, or the layer, needs and this Python lacks."""
    wanted = (*NEEDED, "fla") if layer == "deltanet" else NEEDED
    return [name for name in wanted if util.find_spec(name) is None]


@contextmanager
def without_flash_attention() -> Iterator[None]:
    """Where flash_attn is missing, a stand-in: mad-lab imports it for layers not used here."""
    if util.find_spec("flash_attn") is not None:
        yield
        return
    names = ("flash_attn", "flash_attn.modules", "flash_attn.modules.mha")
    stand_in = {name: types.ModuleType(name) for name in names}
    stand_in[names[-1]].MHA = nn.Module  # type: ignore[attr-defined]
    sys.modules.update(stand_in)
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]


def first_output(layer: nn.Module) -> nn.Module:
    """The layer, returning the first of what it returns."""
    layer.register_forward_hook(lambda _, __, output: output[0])
    return layer


def public_deltanet(dim: int, max_length: int) -> nn.Module:
    """flash-linear-attention's DeltaNet with one head, as Archer's `delta`."""
    from fla.layers import DeltaNet

    return first_output(DeltaNet(hidden_size=dim, num_heads=1, layer_idx=0))


def build_model(path: Path, layer: str) -> nn.Module:
    """mad-lab's language model as its benchmark.py builds it, [mixer, SwiGLU] twice."""
    registry = importlib.import_module("mad.registry")
    load = importlib.import_module("mad.configs").load_yml
    known = registry.layer_registry

    def named(name: str) -> tuple[Any, dict[str, Any]]:
        if name not in known:
            sys.exit(f"mad-lab has no layer {name!r}: deltanet or one of {', '.join(known)}")
        return known[name]["module"], load(path / known[name]["cfg"])

    mixer = (public_deltanet, {}) if layer == "deltanet" else named(layer)
    pairs = [mixer, named("swiglu")] * 2
    sizes = {"dim": DIM, "max_length": LENGTH}
    return registry.model_registry["language-model"](
        dim=DIM,
        vocab_size=WORDS,
        layers=[kind for kind, _ in pairs],
        layer_cfgs=[{**given, **sizes} for _, given in pairs],
        max_length=LENGTH,
    )


def run_loop(path: Path, layer: str, epochs: int, wait: Callable[[], None]) -> Loop:
    """mad-lab's `train` on its own data, timed."""
    sys.path.insert(0, str(path))
    asking = ["transformers.activations", "torchmetrics", "pytorch_lightning"]
    for name in [*asking, *["fla.layers"] * (layer == "deltanet")]:
        importlib.import_module(name)  # before the stand-in: they ask whether flash_attn is there
    with without_flash_attention():
        reference = importlib.import_module("train")
    model, clock = build_model(path, layer), Clock(WINDOW, wait)
    model.register_forward_pre_hook(clock.tick)
    with tempfile.TemporaryDirectory() as folder:
        config = importlib.import_module("mad.configs").MADConfig(
            vocab_size=WORDS, seq_len=LENGTH, batch_size=BATCH, epochs=epochs, lr=LR,
            data_path=os.path.join(folder, "data"),
        )  # fmt: skip
        # its last step reads its own checkpoint, of an age when torch.load took any class
        os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] = "1"
        reference.train(model, config, log_path=os.path.join(folder, "run"))
        torch.set_float32_matmul_precision("highest")  # which `train` had changed for all
        losses = logged_losses(Path(folder))
    return Loop(layer, [1e3 * s / WINDOW for s in clock.windows[WARM_UP:]], losses)


def logged_losses(folder: Path) -> list[float]:
    """The training losses that Lightning's CSV logger wrote, in order."""
    for log in folder.rglob("metrics.csv"):
        with log.open(newline="") as lines:
            found = [row.get("train/Loss_step", "") for row in csv.DictReader(lines)]
        return [float(value) for value in found if value]
    return []


def show(loop: Loop, rows: list[Any]) -> str:
    """The loop and Archer's populations, with their ratio."""
    lines = [(f"mad-lab, {loop.layer}", 1, loop.ms, loop.spread, loop.rate / 1e6, 1.0)]
    for row in rows:
        rate = row.rate / 1e6
        lines.append(("archer, delta", row.case.P, row.ms, row.spread, rate, row.rate / loop.rate))
    head = ("training step", "members", "ms", "spread", "M tokens/s", "ratio")
    return table(head, lines)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path", type=Path, help="folder with mad-lab's train.py")
    parser.add_argument("--layer", default="deltanet", help="deltanet, or a layer of mad-lab")
    parser.add_argument("--epochs", type=int, default=3, help="of 100 steps, at most")
    parser.add_argument("--out", type=Path, help="JSON file to write")
    return parser.parse_args(arguments)


def main() -> None:
    options = parse()
    need_gpu()
    if not (options.path / "train.py").is_file():
        sys.exit(f"{options.path} holds no train.py: give the folder of a copy of mad-lab")
    if lacking := missing(options.layer):
        sys.exit(f"mad-lab cannot run here, missing: {', '.join(lacking)}")
    loop = run_loop(options.path.resolve(), options.layer, options.epochs, torch.cuda.synchronize)
    if why := wrong(loop):
        sys.exit(f"no speed is reported: {why}")
    bandwidth = copy_bandwidth()
    rows = [measure(Case(members, LENGTH), bandwidth) for members in MEMBERS]
    if failed := [row for row in rows if row.ms != row.ms]:
        sys.exit(f"no speed is reported: Archer's losses are off by {failed[0].error:.1e}")
    names = ("pytorch-lightning", "torchmetrics", "transformers")
    reference = {"layer": loop.layer, "ms": loop.ms, "spread": loop.spread, "window": WINDOW}
    reference |= {"tokens_per_s": loop.rate, "step_ms": loop.step_ms, "losses": loop.losses}
    ratios = {row.case.P: row.rate / loop.rate for row in rows}
    record = {**versions(names), "madlab": reference, "archer": [as_json(row) for row in rows]}
    write_json(options.out, record | {"ratio": ratios})
    facts = ", ".join(f"{name} {text}" for name, text in versions(names).items())
    print(f"\n{facts}\n{show(loop, rows)}")


if __name__ == "__main__":
    main()
