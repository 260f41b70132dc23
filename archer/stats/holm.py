"""Holm's correction over a family of tests."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from statsmodels.stats.multitest import multipletests


def holm(p: Sequence[float]) -> NDArray[np.float64]:
    """Corrected p-values (Holm 1979); what is not a number was not tested, and stays."""
    corrected = np.asarray(p, float)
    tested = np.isfinite(corrected)
    if tested.any():
        with _quick_collections():
            corrected[tested] = multipletests(corrected[tested], method="holm")[1]
    return corrected


@contextmanager
def _quick_collections() -> Iterator[None]:
    """statsmodels collects garbage at every correction: spare it what is alive already."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
