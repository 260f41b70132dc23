"""Learning rate x weight decay taken from another training, and how few populations it makes."""

import gzip
import shutil
from pathlib import Path

import made_up
import pandas as pd
import pytest

from archer.errors import ArcherError
from archer.mad.plan import make_plan
from archer.mad.presets import core
from archer.record import make_record
from archer.record.rates import best_rates
from archer.rules.load import builtin_graph
from archer.sweeps import plan_sweep

TASKS = ("in-context-recall", "memorization")


def rates(source, rule, preset):
    (found,) = best_rates(source, [rule], preset)
    return found.rates


def preset(*tasks):
    return core().only(tasks or TASKS)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A folder with all of delta, and momentum without a seed on memorization."""
    there = tmp_path_factory.mktemp("rates") / "mine"
    graphs = [builtin_graph("delta"), builtin_graph("adam")]
    plan = make_plan(graphs, preset(), seeds=2)
    made_up.train(there, plan, lambda t: t.rule.name == "adam" and t.seed == 1 and t.lr == 1e-3)
    return there


def test_per_setting_the_highest_mean_on_validation_data_is_taken(store, tmp_path):
    made = make_record(store, out=tmp_path, partial=True).folder
    frame = pd.read_csv(made / "trials.csv.gz")
    mine = frame[frame["rule"] == "delta"]
    means = mine.groupby(["setting", "lr", "weight_decay"])["validation_accuracy"].mean()
    expected = tuple(means[task].idxmax() for task in TASKS)
    assert expected[0] != mine.groupby(["lr", "weight_decay"])["test_accuracy"].mean().idxmax()
    for source in (store, made):
        found = rates(source, "delta", preset())
        assert found == tuple((task, *rate) for task, rate in zip(TASKS, expected, strict=True))


def test_equal_accuracies_go_to_the_lower_perplexity(store, tmp_path):
    made = Path(
        shutil.copytree(make_record(store, out=tmp_path, partial=True).folder, tmp_path / "x")
    )
    frame = pd.read_csv(made / "trials.csv.gz").assign(validation_accuracy=1.0)
    best = (frame["lr"] == 5e-4) & (frame["weight_decay"] == 0.1)
    frame["validation_perplexity"] = 2.0 - best
    (made / "trials.csv.gz").write_bytes(gzip.compress(frame.to_csv(index=False).encode()))
    assert rates(made, "delta", preset()) == tuple((task, 5e-4, 0.1) for task in TASKS)


def test_what_is_not_there_to_the_end_gives_no_rate(store):
    with pytest.raises(ArcherError, match="adam is not trained to the end on in-context-recall"):
        rates(store, "adam", preset())
    with pytest.raises(ArcherError, match="delta is not trained to the end on compression"):
        rates(store, "delta", preset("compression"))
    with pytest.raises(
        ArcherError,
        match=r"holds no trials of momentum in preset core.*a rule it has \(delta, adam\)",
    ):
        rates(store, "momentum", preset())
    with pytest.raises(ArcherError, match="leave out the others"):
        plan_sweep("momentum", set=["momentum.mu=0.8"], rates_from=store, lrs=(1e-3,))


def test_a_sweep_trains_at_those_rates_and_makes_few_populations(store):
    """Record 3 in its own settings: a population per kernel, learned knobs and length."""
    swept = plan_sweep(
        "momentum",
        set=["momentum.mu=0.7,0.8,0.9,0.95,learned"],
        chunk_sizes=(1, 8, 16, 32, 64),
        one_at_a_time=True,
        preset="core",
        tasks=TASKS,
        rates_from=store,
        device="cuda",
    )
    assert len(swept.points) == 9
    plan = swept.cost
    best = rates(store, "delta", preset())
    used = {(r.trial.setting.name, r.trial.lr, r.trial.weight_decay) for r in plan.rows}
    assert used == set(best)
    assert len(plan.rows) == 9 * 2 * 3
    found = [
        (t.setting.task, t.rule.chunk_size if t.rule.slots else None, t.learn, len(p.trials))
        for p in plan.populations
        for t in p.trials[:1]
    ]
    recall = [("in-context-recall", c, (), 12 if c == 32 else 3) for c in (1, 8, 16, 32, 64)]
    recall.append(("in-context-recall", 32, ("mu",), 3))
    # at 32 tokens momentum acts in chunks of less than 32; all else is delta, trained once
    memorization = [("memorization", c, (), 3) for c in (1, 8, 16, None)]
    assert sorted(found, key=str) == sorted([*recall, *memorization], key=str)


def test_a_peer_has_no_chunks_to_sweep():
    with pytest.raises(ArcherError, match="attention has no chunks: leave out --chunk-size"):
        plan_sweep("attention", chunk_sizes=(8, 16), preset="smoke")
