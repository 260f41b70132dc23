"""Train, validation and test data of a setting, from a seed."""

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np

from archer.errors import ArcherError
from archer.mad import (
    compression,
    fuzzy_in_context_recall,
    in_context_recall,
    memorization,
    noisy_in_context_recall,
    selective_copying,
)
from archer.mad.settings import Setting

PROTOCOL_SEED = 12345
BLOCK = 256  # instances drawn from one stream: a smaller split is the beginning of a larger one

_GENERATORS: dict[str, Callable[..., tuple[np.ndarray, np.ndarray]]] = {
    "compression": compression.generate,
    "in-context-recall": in_context_recall.generate,
    "fuzzy-in-context-recall": fuzzy_in_context_recall.generate,
    "memorization": memorization.generate,
    "noisy-in-context-recall": noisy_in_context_recall.generate,
    "selective-copying": selective_copying.generate,
}


@dataclass(frozen=True)
class Split:
    """Instances of a setting: inputs and targets, int32 [n, setting.length], -100 = not scored."""

    inputs: np.ndarray
    targets: np.ndarray


class Dataset(NamedTuple):
    """The three splits of a setting; validation has the format of test."""

    train: Split
    validation: Split
    test: Split


def split(setting: Setting, name: str, seed: int, n: int | None = None) -> Split:
    """The first n instances of a split ("train", "validation" or "test"); n None = the setting's.

    Splits are disjoint random streams. Seed s is the protocol's data seed 12345 + s, so that seed
    0 is the protocol's own. Settings that differ only in example counts share their streams.
    Raises ArcherError for another name, a negative seed or n < 1.
    """
    if name not in Dataset._fields:
        raise ArcherError(f"unknown split {name!r}: use {', '.join(Dataset._fields)}")
    if seed < 0:
        raise ArcherError(f"seed {seed} is negative: use 0 or more")
    n = getattr(setting, f"num_{name}_examples") if n is None else n
    if n < 1:
        raise ArcherError(f"n={n} instances is impossible: use at least 1")
    inputs = np.empty((n, setting.length), dtype=np.int32)
    targets = np.empty_like(inputs)
    for start in range(0, n, BLOCK):
        rng = np.random.default_rng(_stream(setting, name, seed, start // BLOCK))
        block = _GENERATORS[setting.task](setting, BLOCK, train=name == "train", rng=rng)
        for whole, part in zip((inputs, targets), block, strict=True):
            whole[start : start + BLOCK] = part[: n - start]
    return Split(inputs, targets)


def dataset(setting: Setting, seed: int) -> Dataset:
    """The three splits of a setting, at the setting's sizes."""
    return Dataset(*(split(setting, name, seed) for name in Dataset._fields))


def _stream(setting: Setting, name: str, seed: int, block: int) -> np.random.SeedSequence:
    identity = {k: v for k, v in asdict(setting).items() if not k.endswith("_examples")}
    digest = hashlib.sha256(f"{name} {sorted(identity.items())}".encode()).digest()
    words = np.frombuffer(digest, dtype="<u4")
    return np.random.SeedSequence([PROTOCOL_SEED + seed, *words.tolist()], spawn_key=(block,))
