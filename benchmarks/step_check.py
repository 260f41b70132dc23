"""The populations that training steps are timed on, and whether their losses are right.

The check: a few steps of two members on one batch must give the losses of the plain modules in
float64 with torch.optim.AdamW. The words to predict are the ones before, which is learned at once,
so a wrong gradient shows in the next losses (other rules differ by over 10 % after eight steps).
"""

import warnings
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from common import relative_error
from torch import Tensor, nn

from archer.model import ModelConfig, build
from archer.model.backbone import Backbone
from archer.model.members import extract
from archer.rules.load import builtin_graph
from archer.train.data import Split
from archer.train.evaluate import member_losses
from archer.train.network import Network
from archer.train.running import Running

BATCH = 128
EXAMPLES = 1280
WORDS = 16
LR, WEIGHT_DECAY = 1e-3, 0.1
STEPS = 8
LIMIT = 1e-2  # relative error allowed for a loss; bf16 autocast itself stays under 3e-3


def examples(length: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Random words and, to predict, the word before each: int32 [count, length] twice."""
    inputs = np.random.default_rng(0).integers(0, WORDS, (count, length), dtype=np.int32)
    return inputs, np.roll(inputs, 1, 1).copy()


def model(rule: str, heads: int, length: int, members: int) -> Backbone:
    """The benchmark's model; Adam's eps at 1e-2, where it is not ill-conditioned."""
    graph = builtin_graph(rule)
    eps = {"eps": 1e-2} if "eps" in {knob.name for knob in graph.knobs} else {}
    config = ModelConfig(vocab_size=WORDS, length=length, heads=heads)
    streams = [f"member {i}" for i in range(members)]
    return build(graph, config, streams, knobs=[eps] * members)


def extract_first(rule: str, length: int) -> Backbone:
    """The first of the checked members as an ordinary model."""
    return extract(model(rule, 1, length, 2), 0)


def population(
    rule: str, heads: int, length: int, members: int, device: str = "cuda", precision: str = "bf16"
) -> Running:
    """Members of the benchmark's model on random words, ready to step."""
    network = Network(model(rule, heads, length, members).to(device), precision)  # type: ignore
    split = Split([examples(length, EXAMPLES)] * members, network.device)
    running = Running(network, split, BATCH)
    for row in range(members):
        running.seat(row, row, network, LR, WEIGHT_DECAY)
        running.begin_epoch(row, torch.arange(EXAMPLES))
    return running


def losses_of(
    rule: str, heads: int, length: int, device: str = "cuda", precision: str = "bf16"
) -> Tensor:
    """Losses of the training step under test on its first batch, [steps, members]."""
    running = population(rule, heads, length, 2, device, precision)
    found = []
    for _ in range(STEPS):
        running.cursor.zero_()
        running.advance(BATCH)
        found.append(running.losses[:, 0].double().cpu())
    return torch.stack(found)


@lru_cache
def reference(rule: str, heads: int, length: int, device: str = "cuda") -> Tensor:
    """The same by the plain modules in float64, [steps, members]."""
    plain = model(rule, heads, length, 2).double().to(device)
    inputs, targets = first_batch(length, device)
    ids = inputs.expand(2, -1, -1)

    def loss() -> Tensor:
        return member_losses(plain(ids), targets.expand(2, -1, -1))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # float64 is beyond the kernels: that is the point
        return trained(plain, loss)


def first_batch(length: int, device: str) -> tuple[Tensor, Tensor]:
    """Inputs and targets, [1, BATCH, length]."""
    pair = examples(length, EXAMPLES)
    inputs, targets = (torch.from_numpy(each[None, :BATCH]).to(device) for each in pair)
    return inputs, targets


def trained(module: nn.Module, loss: Callable[[], Tensor]) -> Tensor:
    """Losses of plain steps of PyTorch's AdamW, [steps, members]."""
    optimizer = torch.optim.AdamW(module.parameters(), lr=LR, weight_decay=WEIGHT_DECAY)
    found = []
    for _ in range(STEPS):
        optimizer.zero_grad()
        losses = loss()
        losses.sum().backward()
        optimizer.step()
        found.append(losses.detach().double().cpu())
    return torch.stack(found)


def worst(found: Tensor, expected: Tensor) -> float:
    """Largest relative error of any loss; infinite where one is not finite."""
    pairs = zip(found.flatten().tolist(), expected.flatten().tolist(), strict=True)
    return max(relative_error(a, b) for a, b in pairs)
