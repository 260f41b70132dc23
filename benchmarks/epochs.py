"""Where an epoch of a whole training goes: its steps, scoring, what the host does between.

    python benchmarks/epochs.py [--out epochs.json] [--rule delta]

Needs a GPU. Populations of the full benchmark on their own data, bf16. An epoch is the wall time
between two ends of epochs, median of three after two that compile and record; steps and scoring
are timed by themselves, what is left is the host's: judging, new orders, copies of the best
parameters. Nothing is checked here: `training.py` checks the step, the tests check scoring.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from common import need_gpu, table, versions, write_json

from archer.mad.data import dataset
from archer.mad.export import setting_with
from archer.mad.plan import make_plan
from archer.mad.presets import Preset, mad
from archer.model.members import build
from archer.rules.load import builtin_graph
from archer.train.data import MemberData
from archer.train.network import Network
from archer.train.trainer import Trainer

ROUNDS = 3


@dataclass(frozen=True)
class Case:
    """Seeds times the grid's six points, on a task with some fields changed."""

    task: str
    changes: tuple[tuple[str, str], ...]
    seeds: int

    @property
    def name(self) -> str:
        return "/".join([self.task, *(f"{key}={value}" for key, value in self.changes)])


CASES = (
    Case("compression", (), 8),
    Case("compression", (("seq_len", "64"),), 1),
    Case("fuzzy-in-context-recall", (), 8),
    Case("fuzzy-in-context-recall", (("seq_len", "1024"),), 1),
    Case("selective-copying", (), 8),
)


@dataclass(frozen=True)
class Epoch:
    """Milliseconds of an epoch and its parts, tokens of them."""

    case: str
    members: int
    epoch: float
    steps: float
    scoring: float
    trained: int
    scored: int

    @property
    def host(self) -> float:
        return self.epoch - self.steps - self.scoring


def trainer(case: Case, rule: str, device: torch.device, preset: Preset) -> Trainer:
    """A population in its seats."""
    only = replace(preset, settings=(setting_with(case.task, dict(case.changes)),))
    graph = builtin_graph(rule)
    precision = "bf16" if device.type == "cuda" else "fp32"
    plan = make_plan([graph], only, seeds=case.seeds, precision=precision, together=True)
    (population,) = plan.populations
    trials = population.trials
    splits = {seed: dataset(trials[0].setting, seed) for seed in range(case.seeds)}
    data = {
        seed: MemberData(*((s.inputs, s.targets) for s in found)) for seed, found in splits.items()
    }
    members = [t.member for t in trials]
    first = trials[0]
    model = build(graph, first.model, [m.stream for m in members], knobs=[m.knobs for m in members])
    network = Network(model, first.regime.precision)
    found = Trainer(network, members, [data[t.seed] for t in trials], first.regime, device)
    found.begin(len(trials))
    return found


def milliseconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return 1e3 * (time.perf_counter() - began)


def measure(case: Case, rule: str, device: torch.device, preset: Preset) -> Epoch:
    """One case; the population is trained a little further by it."""
    population = trainer(case, rule, device, preset)
    for _ in range(2):
        population.round(0.0)
    epochs = [milliseconds(lambda: population.round(0.0)) for _ in range(ROUNDS)]
    running, examples = population.running, population.train.examples[0]
    rows = running.occupied()
    batches = -(-examples // running.batch_size)

    def steps() -> None:
        running.cursor.zero_()
        for batch in range(batches):
            running.advance(examples - batch * running.batch_size)

    def scoring() -> None:
        population.scorer.score(running.network, rows, rows)

    tokens = len(rows) * int(population.train.length)
    return Epoch(
        case.name,
        len(rows),
        statistics.median(epochs),
        statistics.median(milliseconds(steps) for _ in range(ROUNDS)),
        statistics.median(milliseconds(scoring) for _ in range(ROUNDS)),
        tokens * examples,
        tokens * sum(split.examples[0] for split in population.held_out),
    )


def show(found: list[Epoch]) -> str:
    head = ("population", "members", "epoch ms", "steps", "scoring", "host",
            "M tokens/s", "of steps", "of scoring")  # fmt: skip
    rows = [
        (e.case, e.members, e.epoch, e.steps, e.scoring, e.host,
         e.trained / e.epoch / 1e3, e.trained / e.steps / 1e3, e.scored / e.scoring / 1e3)
        for e in found
    ]  # fmt: skip
    return table(head, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="JSON file to write")
    parser.add_argument("--rule", default="delta")
    options = parser.parse_args()
    need_gpu()
    found: list[Epoch] = []
    for case in CASES:
        torch.cuda.empty_cache()
        found.append(measure(case, options.rule, torch.device("cuda"), mad()))
        rows = [asdict(epoch) | {"host": epoch.host} for epoch in found]
        write_json(options.out, {**versions(), "rule": options.rule, "cases": rows})
    print(show(found))


if __name__ == "__main__":
    main()
