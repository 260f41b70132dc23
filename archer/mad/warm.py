"""Compiles on a GPU what waiting populations will need, in processes of their own.

A rule's kernels are generated and compiled at their first use, which takes tens of seconds; Triton
keeps them on disk for every process. A training of a few members for one step uses all of them.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

from archer.mad.estimate import memory
from archer.mad.plan import Population
from archer.mad.pool import Pool
from archer.mad.work import NOTHING
from archer.train.evaluate import EVALUATION_BATCH

MOST = 16  # processes: each takes a core and a GPU context
ROOM = 8 * 2**30  # bytes of a GPU's memory that one may come to use, or more, see `_room`
MEMBERS = 3  # with fewer the memory's kernels may be cut up in another way


@contextmanager
def warming(populations: Sequence[Population], device: str) -> Iterator[None]:
    """Inside, the kernels of all but the first population are compiled, the next one first.

    The first compiles its own. What shares kernels with one before it comes last, or workers would
    compile the same side by side. Does nothing on a processor. What goes wrong here is left to the
    training to say.
    """
    waiting = [tiny(population) for population in _by_kernels(populations) if population.left]
    workers = 0 if device == "cpu" else min(len(waiting), _most(waiting))
    if workers < 1:
        yield
        return
    pool = Pool(waiting, device, 1, NOTHING, in_order=True)
    try:
        with suppress(OSError):  # no process can be started: then nothing is compiled ahead
            pool.open(workers)
        yield
    finally:
        pool.close()


def _by_kernels(populations: Sequence[Population]) -> list[Population]:
    """All but the first, those of a rule and length that were there before behind the others."""
    seen = [_kernels(population) for population in populations]
    new = [kernels not in seen[:place] for place, kernels in enumerate(seen)]
    order = sorted(range(1, len(seen)), key=lambda place: not new[place])
    return [populations[place] for place in order]


def _kernels(population: Population) -> tuple[object, ...]:
    """What decides the memory's kernels, by far most of what is compiled."""
    trial = population.trials[0]
    sizes = trial.model.length, trial.model.dim, trial.model.heads
    return trial.rule.rule_hash, trial.rule.name, trial.learn, *sizes, trial.regime.precision


def _most(waiting: Sequence[Population]) -> int:
    """Processes for which there is room beside the training."""
    import torch

    free, _ = torch.cuda.mem_get_info()
    return min(MOST, len(os.sched_getaffinity(0)) - 1, free // _room(waiting) - 1)


def _room(waiting: Sequence[Population]) -> int:
    """Bytes that a process may come to use: twice the largest step, since its memory is in pieces.

    In chunks of one token a few members of a rule with slots want tens of gigabytes.
    """
    return max([ROOM, *(2 * _step(population) for population in waiting)])


def _step(population: Population) -> int:
    """Bytes; 0 of a layer that cannot be made."""
    try:
        return memory(population, "cuda")
    except Exception:  # its training will say so, and other rows go on
        return 0


def tiny(population: Population) -> Population:
    """A few members for one step and one look at either held-out split, with the same kernels."""
    widest = max(population.left.values(), key=lambda trial: trial.model.vocab_size)
    regime = replace(widest.regime, epochs=1)
    setting = replace(
        widest.setting,
        num_train_examples=regime.batch_size,
        num_validation_examples=EVALUATION_BATCH,
        num_test_examples=EVALUATION_BATCH,
    )
    trial = replace(widest, setting=setting, regime=regime)
    return Population(tuple(replace(trial, seed=trial.seed + i) for i in range(MEMBERS)))
