"""Peak memory of a training on a CPU beside what is counted, per contender.

    python benchmarks/memory.py

Two members of `core`'s in-context recall, one epoch of two batches of 32; KiB per token, beyond
what the process had before, less parameters and their copies. Each contender in its own process.
"""

import resource
import subprocess
import sys
from dataclasses import replace

from archer.mad.estimate import COPIES, parameters
from archer.mad.plan import Population, make_plan
from archer.mad.presets import Preset, core, smoke
from archer.mad.trial import Trial
from archer.mad.work import train
from archer.rules.load import BUILTIN, builtin_graph
from archer.rules.peer import parse_peer
from archer.train.width import autograd_bytes

BATCH = 32


def peak() -> int:
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def population(name: str, preset: Preset) -> Population:
    rule = parse_peer(name) if name == "attention" else builtin_graph(name)
    (first, *_) = make_plan([rule], preset.only(["in-context-recall"]), seeds=2).populations
    chosen = {trial.seed: trial for trial in first.trials}.values()
    return Population(tuple(map(_short, chosen)))


def _short(trial: Trial) -> Trial:
    setting = replace(
        trial.setting,
        num_train_examples=2 * BATCH,
        num_validation_examples=BATCH,
        num_test_examples=BATCH,
    )
    regime = replace(trial.regime, epochs=1, batch_size=BATCH)
    return replace(trial, setting=setting, regime=regime)


def measure(name: str) -> None:
    train(population(name, smoke()), "cpu")  # what the first training of a process loads
    before, two = peak(), population(name, core())
    train(two, "cpu")
    trial = two.trials[0]
    tokens = 2 * BATCH * trial.model.length
    kept = 2 * 4 * COPIES * parameters(trial.rule, trial.model)
    counted = autograd_bytes(trial.rule, trial.model, BATCH) / (tokens / 2)
    print(f"{name:20} {(peak() - before - kept) / tokens / 1024:8.0f} {counted / 1024:8.0f}")


if __name__ == "__main__":
    if sys.argv[1:]:
        measure(sys.argv[1])
    else:
        print(f"{'KiB per token':20} {'measured':>8} {'counted':>8}", flush=True)
        for each in (*BUILTIN, "attention"):
            subprocess.run([sys.executable, __file__, each], check=True)
