"""What the task tests share: mad-lab's sample instances, its measured facts, drawings."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from archer.mad import Split, split
from archer.mad.settings import Setting

REFERENCE = Path(__file__).parents[1] / "data" / "mad_reference"


@pytest.fixture
def mad_lab() -> Callable[[str, str], Split]:
    """(task, "train" or "test") -> the first 64 instances mad-lab generates with seed 12345."""

    def load(task: str, name: str) -> Split:
        folder = REFERENCE / task
        return Split(*(np.load(folder / f"{name}_{part}.npy") for part in ("inputs", "targets")))

    return load


@pytest.fixture
def agrees() -> Callable[..., None]:
    """Assert that per-instance facts have the (mean, deviation) measured on mad-lab."""

    def check(
        facts: dict[str, np.ndarray], measured: dict[str, tuple[float, float]], n: int
    ) -> None:
        assert facts.keys() == measured.keys()
        z = {}
        for name, (mean, deviation) in measured.items():
            error = deviation * (1 / n + 1 / len(facts[name])) ** 0.5
            gap = abs(facts[name].mean() - mean)
            # a fact that never varies must be met exactly
            z[name] = gap / error if error else (0.0 if gap == 0 else np.inf)
        assert max(z.values()) < 4, z

    return check


@pytest.fixture
def drawing() -> Callable[[Setting, str], list[str]]:
    """A setting's first instance as the docstrings draw it: a line of inputs, a line of labels."""

    def draw(setting: Setting, name: str) -> list[str]:
        one = split(setting, name, seed=0, n=1)
        labels = ["." if label == -100 else str(label) for label in one.targets[0].tolist()]
        tokens = [str(token) for token in one.inputs[0].tolist()]
        return [" ".join(f"{cell:>2}" for cell in line).strip() for line in (tokens, labels)]

    return draw
