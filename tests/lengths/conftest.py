"""A small benchmark with saved weights, and a record of it."""

from pathlib import Path

import pytest

import archer
from archer.lengths import lengths


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rules, two seeds, 31 tokens in chunks of 8."""
    folder = tmp_path_factory.mktemp("trained")
    archer.bench(
        ["delta", "momentum"],
        preset="smoke",
        knobs={"momentum.mu": 0.8},
        tasks=["in-context-recall"],
        seeds=2,
        workers=1,
        device="cpu",
        out=folder,
        save_weights=True,
        progress=False,
    )
    return folder


@pytest.fixture(scope="session")
def record(trained: Path) -> Path:
    """Four sequences of 128 tokens of each kind."""
    out = trained.parent / "records" / "long"
    lengths(trained, out, length=128, sequences=4, since=64)
    return out
