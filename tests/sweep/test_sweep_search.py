"""Random and TPE search: what they suggest, and that a killed one goes on to the same points."""

import math
import sys
from pathlib import Path

import pytest
from sqlalchemy import inspect

from archer.errors import ArcherError
from archer.rules.load import builtin_graph
from archer.store import open_store
from archer.store.status import status
from archer.sweeps import sweep
from archer.sweeps.search import BATCH, DIGITS, drawn, search
from archer.sweeps.values import read_swept

SETS = ("adam.lr=0.5:1.5", "adam.eps=1e-8:1e-2", "adam.mu1=0.8,0.9,learned")
SWEPT = read_swept(builtin_graph("adam"), SETS, chunk_sizes=(4, 8), search=True)


class StoppedError(Exception):
    """Stands for a kill."""


def value(point):
    """Best at lr = 0.7, eps = 1e-4, mu1 = 0.9, whatever the chunk size."""
    at = dict(point.values)
    away = abs(at["adam.lr"] - 0.7) + abs(math.log10(at["adam.eps"]) + 4) / 6
    return 1 - away - 0.3 * (at["adam.mu1"] != 0.9)


def find(trials=20, *, kind="tpe", evaluate=None, **more):
    evaluate = evaluate or (lambda points: [value(point) for point in points])
    points = search(kind, SWEPT, (), trials, evaluate, **{"name": "found", "seed": 3} | more)
    return [point.label for point in points]


@pytest.mark.parametrize("kind", ["tpe", "random"])
def test_it_is_the_same_for_the_same_seed_alone(kind):
    assert find(kind=kind) == find(kind=kind)
    assert find(kind=kind) != find(kind=kind, seed=4)
    assert len(set(find(kind=kind))) == 20


def test_suggestions_lie_where_they_may_with_few_digits():
    for point in drawn(SWEPT, (), 40):
        at = dict(point.values)
        assert 0.5 <= at["adam.lr"] <= 1.5
        assert 1e-8 <= at["adam.eps"] <= 1e-2
        assert at["adam.mu1"] in (0.8, 0.9, "learned")
        assert at["chunk_size"] in (4, 8)
        assert float(f"{at['adam.lr']:.{DIGITS}g}") == at["adam.lr"]
    exponents = [math.log10(dict(p.values)["adam.eps"]) for p in drawn(SWEPT, (), 40)]
    assert sum(exponent < -5 for exponent in exponents) >= 12  # by the logarithm: half of them


def test_tpe_asks_where_it_was_good():
    def late(kind):
        seen = []

        def evaluate(points):
            seen.extend(value(point) for point in points)
            return seen[-len(points) :]

        find(48, kind=kind, evaluate=evaluate)
        return sum(seen[-24:]) / 24

    assert late("tpe") > late("random") + 0.2


def test_suggestions_come_in_batches_before_any_of_them_is_known():
    sizes = []

    def evaluate(points):
        sizes.append(len(points))
        return [value(point) for point in points]

    find(19, evaluate=evaluate)
    assert sizes == [BATCH, BATCH, 19 - 2 * BATCH]


@pytest.mark.parametrize("dies_after", [0, 1, 2])
def test_a_killed_search_goes_on_to_the_same_points(dies_after, tmp_path):
    batches = []

    def dying(points):
        if len(batches) == dies_after:
            raise StoppedError  # these suggestions are in the journal, and have no value
        batches.append(points)
        return [value(point) for point in points]

    with open_store(tmp_path) as store, pytest.raises(StoppedError):
        find(evaluate=dying, store=store)
    with open_store(tmp_path) as store:
        assert find(store=store) == find()


def test_one_killed_while_it_says_what_it_found_goes_on_too(tmp_path, monkeypatch):
    from archer.sweeps import search as module

    told = []

    def dying(study, number, value):
        if len(told) == BATCH + 3:
            raise StoppedError
        told.append(number)
        tell(study, number, value)

    tell = module._tell
    monkeypatch.setattr(module, "_tell", dying)
    with open_store(tmp_path) as store, pytest.raises(StoppedError):
        find(store=store)
    monkeypatch.setattr(module, "_tell", tell)
    with open_store(tmp_path) as store:
        assert find(store=store) == find()


def test_a_longer_search_begins_as_the_shorter_one(tmp_path):
    with open_store(tmp_path) as store:
        short = find(2 * BATCH, store=store)
        assert find(3 * BATCH, store=store)[: 2 * BATCH] == short
        assert find(BATCH, store=store) == short[:BATCH]


@pytest.mark.parametrize("first", [BATCH + 4, 2 * BATCH + 1])
def test_one_that_ended_within_a_batch_goes_on_to_the_points_of_one_that_did_not(first, tmp_path):
    """The members of that batch that have values by now had none when the rest is suggested."""

    def evaluate(points):  # one of the values is missing: no value is not a running trial either
        return [math.nan if i == 1 else value(point) for i, point in enumerate(points)]

    whole = find(3 * BATCH, evaluate=evaluate)
    with open_store(tmp_path) as store:
        assert find(first, evaluate=evaluate, store=store) == whole[:first]
        assert find(3 * BATCH, evaluate=evaluate, store=store) == whole


def test_another_name_is_another_search(tmp_path):
    with open_store(tmp_path) as store:
        one = find(BATCH, store=store)
        assert find(BATCH, store=store, seed=4) == one  # it is in the journal already
        assert find(BATCH, store=store, seed=4, name="other") != one


def test_a_point_without_a_value_does_not_stop_it():
    def evaluate(points):
        return [math.nan, *(value(point) for point in points[1:])]

    assert len(find(evaluate=evaluate)) == 20
    assert find(evaluate=evaluate) == find(evaluate=evaluate)


def test_the_journal_lies_beside_our_tables(tmp_path):
    with open_store(tmp_path) as store:
        before = set(inspect(store._engine).get_table_names())
        find(BATCH, store=store)
        assert set(inspect(store._engine).get_table_names()) == before | {"search_journal"}
        assert status(store) == []
    with open_store(tmp_path) as store:  # a store still, for who knows nothing of searches
        assert store.plans() == []


def test_without_optuna_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(ArcherError, match=r"pip install 'archer\[search\]'"):
        find()


def smoke(out: Path | None, trials: int, progress: bool = False):
    return sweep(
        "momentum",
        set=["momentum.mu=0.5:0.95"],
        search="tpe",
        trials=trials,
        preset="smoke",
        tasks=["in-context-recall"],
        seeds=1,
        out=out,
        progress=progress,
    )


def test_a_whole_tpe_search_and_its_longer_repetition(tmp_path, capfd):
    first = smoke(tmp_path, 3)
    assert len(first.points) == 3
    assert first.search == "tpe"
    assert len(first.trials) == 4  # with the default's
    chosen = first.curves[first.curves["selected"]]
    asked = first.curves[~first.curves["default"]]
    assert chosen["mean"].item() == asked["mean"].max()
    assert "<svg" in (tmp_path / "sweep.html").read_text()
    more = smoke(tmp_path, 5, progress=True)
    assert [p.label for p in more.points[:3]] == [p.label for p in first.points]
    said = capfd.readouterr().err
    assert said.startswith("4 of 6 trials found")
    assert "x2" in said


def test_tpe_is_told_the_mean_validation_accuracy_over_tasks_and_seeds(tmp_path):
    import optuna

    from archer.sweeps.journal import StoreJournal

    found = smoke(tmp_path, 3)
    with open_store(tmp_path) as store:
        storage = optuna.storages.JournalStorage(StoreJournal(store))
        (name,) = optuna.get_all_study_names(storage)
        study = optuna.load_study(study_name=name, storage=storage)
    assert name.startswith("momentum smoke mu tpe ")
    curve = found.curves.set_index("point")["mean"]
    told = [curve[point.label] for point in found.points]
    assert [trial.value for trial in study.trials] == told
