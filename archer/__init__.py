"""Archer: a laboratory for the memory of linear-attention models.

import archer
results = archer.bench(["delta", "momentum"], preset="quick")
results.table
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archer.benchmark import bench as bench
    from archer.engine import run_rule as run_rule
    from archer.errors import ArcherError as ArcherError
    from archer.rules.base import Knob as Knob
    from archer.rules.base import Rule as Rule
    from archer.rules.base import Signal as Signal
    from archer.rules.hooks import causal_mask as causal_mask
    from archer.rules.hooks import causal_softmax as causal_softmax
    from archer.sweeps import SweepResults as SweepResults
    from archer.sweeps import sweep as sweep
    from archer.weights import load as load

__version__ = "0.1.0"

# Names are imported on first use, so that `archer --help` need not wait for torch.
_WHERE = {
    "ArcherError": "archer.errors",
    "bench": "archer.benchmark",
    "Knob": "archer.rules.base",
    "Rule": "archer.rules.base",
    "Signal": "archer.rules.base",
    "causal_mask": "archer.rules.hooks",
    "causal_softmax": "archer.rules.hooks",
    "load": "archer.weights",
    "run_rule": "archer.engine",
    "sweep": "archer.sweeps",
    "SweepResults": "archer.sweeps",
}

__all__ = [*_WHERE]


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        return getattr(importlib.import_module(_WHERE[name]), name)
    raise AttributeError(f"module 'archer' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
