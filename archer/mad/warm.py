"""Compiles on a GPU what waiting populations will need, in processes of their own.

A rule's kernels are generated and compiled at their first use, which takes tens of seconds; Triton
keeps them on disk for every process. A training of two members for one step uses all of them.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from archer.mad.plan import Population
from archer.mad.pool import Pool
from archer.mad.work import NOTHING
from archer.train.evaluate import EVALUATION_BATCH

MOST = 8  # processes: each takes a core and a GPU context
ROOM = 8 * 2**30  # bytes of a GPU's memory that one may come to use


@contextmanager
def warming(populations: Sequence[Population], device: str) -> Iterator[None]:
    """Inside, the kernels of all but the first population are compiled, the next one first.

    The first compiles its own. Does nothing on a processor. What goes wrong here is left to the
    training to say.
    """
    waiting = [tiny(population) for population in populations[1:] if population.left]
    workers = 0 if device == "cpu" else min(len(waiting), _most())
    if workers < 1:
        yield
        return
    pool = Pool(waiting, device, 1, NOTHING, in_order=True)
    pool.open(workers)
    try:
        yield
    finally:
        pool.close()


def _most() -> int:
    """Processes for which there is room beside the training."""
    import torch

    free, _ = torch.cuda.mem_get_info()
    return min(MOST, len(os.sched_getaffinity(0)) - 1, free // ROOM - 1)


def tiny(population: Population) -> Population:
    """Two members for one step and one look at either held-out split, with the same kernels."""
    widest = max(population.left.values(), key=lambda trial: trial.model.vocab_size)
    regime = replace(widest.regime, epochs=1)
    setting = replace(
        widest.setting,
        num_train_examples=regime.batch_size,
        num_validation_examples=EVALUATION_BATCH,
        num_test_examples=EVALUATION_BATCH,
    )
    trial = replace(widest, setting=setting, regime=regime)
    return Population((trial, replace(trial, seed=trial.seed + 1)))
