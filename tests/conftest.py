"""What every test shares: one thread, kernels through the interpreter, no workers, a benchmark."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side; one thread each

import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

if not torch.cuda.is_available():  # must be set before triton is imported anywhere
    os.environ.setdefault("TRITON_INTERPRET", "1")

from here import Here

import archer
from archer.mad import runner
from archer.mad.pool import Pool
from archer.mad.results import Results

HALVING = '''
"""Halving: the memory forgets half of itself at every chunk."""
from archer import Rule
class Halving(Rule):
    def write(self, S, dS, slots, p):
        return 0.5 * S + dS
'''


@pytest.fixture(scope="session", autouse=True)
def trained_here() -> Iterator[None]:
    """What a test trains is trained in its own process, unless it asks for `workers`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "Pool", Here)
        yield


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real worker processes, as outside of tests."""
    monkeypatch.setattr(runner, "Pool", Pool)


@pytest.fixture(scope="session")
def halving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's rule of five lines, in a file of its own."""
    path = tmp_path_factory.mktemp("rules") / "halving.py"
    path.write_text(textwrap.dedent(HALVING).lstrip())
    return path


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory, halving: Path) -> Results:
    """One smoke benchmark: two built-in rules, one with a learned knob, beside a user's own."""
    return archer.bench(
        ["momentum", "delta", "softmax_attention", halving],
        preset="smoke",
        learn=["momentum.mu"],
        knobs={"momentum.mu": 0.8},
        out=tmp_path_factory.mktemp("smoke"),
        progress=False,
    )
