"""Sweeps: one rule at many values of its knobs, chosen on validation data.

The package is not called `sweep`, so that the function `archer.sweep` can be.
"""

from archer.sweeps.plan import plan_sweep
from archer.sweeps.results import SweepResults
from archer.sweeps.run import run_sweep, sweep

__all__ = ["SweepResults", "plan_sweep", "run_sweep", "sweep"]
