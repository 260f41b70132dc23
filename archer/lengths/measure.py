"""What happens to a memory as a sequence grows: norms, output and retrieval error by position.

A position is a number of tokens read; positions double. Norms are taken there; the output's size
and the error are over the tokens since the position before it. Quantities:

- memory, slot.NAME: Frobenius norm of S or of a slot, mean over sequences and heads; by layer
- output: root mean square of what the memory gives, before its norm; by layer
- error: share of the answerable tokens that are predicted wrong; what is not finite is wrong
- finite: how many tokens were read before the first output that is not a finite number
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from archer.lengths.stream import Layer, Stream
from archer.mad.sequences import IGNORE
from archer.model.backbone import Backbone

FIRST = 16  # the first position, or the first chunk's end
PIECE = 1024  # tokens at once, so that memory does not grow with the sequence
Row = tuple[int | None, int, str, float]  # layer, position, quantity, value


def positions(length: int, chunk_size: int) -> list[int]:
    """16, 32, 64, ... and the length itself, each after a whole chunk (but for the length)."""
    found, at = [], FIRST
    while at < length:
        found.append(-(-at // chunk_size) * chunk_size)
        at *= 2
    return [*dict.fromkeys(each for each in found if each < length), length]


def measure(
    model: Backbone, inputs: np.ndarray, targets: np.ndarray, device: str = "cpu"
) -> list[Row]:
    """Reads sequences with a model of one memory rule; inputs, targets: [n, length].

    The model cannot be used otherwise afterwards.
    """
    stream = Stream(model.to(device))
    ids, wanted = (torch.from_numpy(x).to(device) for x in (inputs, targets))
    length, chunk = ids.shape[1], stream.layers[0].chunk_size
    rows: list[Row] = []
    start, finite = 0, length
    for end in positions(length, chunk):
        squares, wrong, asked = [0.0] * len(stream.layers), 0, 0
        for piece in _pieces(start, end, chunk):
            logits = stream.read(ids[:, piece])
            missed, scored = _missed(logits, wanted[:, piece])
            wrong, asked = wrong + missed, asked + scored
            outputs = [layer.output for layer in stream.layers]
            squares = [s + _squares(o) for s, o in zip(squares, outputs, strict=True)]
            if (good := _finite([logits, *outputs])) < logits.shape[1]:
                finite = min(finite, piece.start + good)
        tokens = (end - start) * len(ids)
        for at, (layer, total) in enumerate(zip(stream.layers, squares, strict=True)):
            rows += [(at, end, name, value) for name, value in _norms(layer)]
            rows.append((at, end, "output", (total / tokens / model.config.dim) ** 0.5))
        rows.append((None, end, "error", wrong / asked if asked else float("nan")))
        start = end
    return [*rows, (None, length, "finite", float(finite))]


def _pieces(start: int, end: int, chunk_size: int) -> Iterator[slice]:
    step = max(1, PIECE // chunk_size) * chunk_size
    for at in range(start, end, step):
        yield slice(at, min(end, at + step))


def _missed(logits: Tensor, targets: Tensor) -> tuple[int, int]:
    """How many scored tokens are predicted wrong, and how many there are."""
    scored = targets != IGNORE
    right = (logits.argmax(-1) == targets) & logits.isfinite().all(-1)
    return int((scored & ~right).sum()), int(scored.sum())


def _squares(output: Tensor) -> float:
    return float(output.double().square().sum())


def _finite(results: list[Tensor]) -> int:
    """Tokens of a piece before the first that is not finite somewhere; each [B, T, ...]."""
    good = torch.stack([x.flatten(2).isfinite().all(-1).all(0) for x in results]).all(0)
    return int(good.int().cumprod(0).sum())


def _norms(layer: Layer) -> list[tuple[str, float]]:
    state = layer.state
    assert state is not None  # something was read
    held = {"memory": state.S} | {f"slot.{name}": slot for name, slot in state.slots.items()}
    return [(name, float(x.double().flatten(-2).norm(dim=-1).mean())) for name, x in held.items()]
