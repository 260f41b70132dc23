"""What is left of a plan, and in which populations it is trained."""

from dataclasses import replace

import pytest

import archer
from archer.benchmark import run_plan
from archer.mad.plan import Plan, Population, make_plan
from archer.mad.presets import smoke
from archer.rules.load import builtin_graph
from archer.store import Store, open_store
from archer.store.resume import remaining
from archer.store.testing import ids_of, results_of, small_plan


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path) as opened:
        yield opened


def members(populations: tuple[Population, ...]) -> list[list[str]]:
    return [ids_of(population) for population in populations]


def finish(store: Store, plan: Plan, *populations: Population) -> None:
    with store.begin(plan, "cpu") as run:
        for population in populations:
            assert run.claim(population)
            run.finish(results_of(population))


def fail(store: Store, plan: Plan, population: Population) -> None:
    with store.begin(plan, "cpu") as run:
        assert run.claim(population)
        run.fail(ids_of(population), "no memory")


def test_an_empty_store_leaves_the_plan(store):
    plan = small_plan()
    store.begin(plan, "cpu").close()
    assert remaining(plan, store) == plan.populations


def test_what_has_ended_is_not_left(store):
    plan = small_plan()
    finish(store, plan, plan.populations[0])
    assert remaining(plan, store) == plan.populations[1:]
    assert remaining(plan, store, skip=ids_of(*plan.populations)) == ()
    finish(store, plan, plan.populations[1])
    assert remaining(plan, store) == ()


def test_more_seeds_leave_only_the_new_ones(store):
    few, many = small_plan(seeds=1), small_plan(seeds=3)
    finish(store, few, *few.populations)
    store.begin(many, "cpu").close()
    assert members(remaining(many, store)) == [
        [t.id for t in population.trials if t.seed > 0] for population in many.populations
    ]


def test_the_recorded_populations_are_followed_though_one_would_plan_others_now(store):
    plan = small_plan()
    store.begin(plan, "cpu").close()
    backwards = [Population(p.trials[::-1]) for p in plan.populations]
    store.keep(backwards)
    now = make_plan([builtin_graph("delta")], plan.preset, seeds=3, largest=1)
    assert {row.trial.id for row in now.rows} == set(ids_of(*plan.populations))
    assert members(remaining(now, store)) == members(tuple(backwards))


def test_a_recorded_population_with_members_nobody_asked_for_is_not_followed(store):
    few, many = small_plan(seeds=2), small_plan(seeds=3)
    store.begin(many, "cpu").close()
    store.keep(many.populations)
    assert members(remaining(few, store)) == members(few.populations), "seed 2 was not asked for"


def test_a_recorded_population_that_has_partly_ended_is_followed_with_its_places(store):
    plan = small_plan(seeds=3)
    first, second = plan.populations
    assert remaining(plan, store) == plan.populations
    with store.begin(plan, "cpu") as run:
        assert run.claim(first)
        over = first.trials[1].id
        assert run.finish({over: results_of(first)[over]}) == {over}
    left, untouched = remaining(plan, store)
    assert (left, untouched) == (Population(first.trials, ended=(1,)), second)
    assert [trial.seed for trial in left.left.values()] == [0, 2]
    assert left.label == first.label.replace("x3", "x2")
    assert Population.from_json(left.to_json()) == left
    assert left.training_tokens == first.training_tokens * 2 // 3
    with store.begin(plan, "cpu") as run:
        assert run.claim(left), "what has ended of it need not be held"
        assert not run.claim(first), "as if nothing had"
        states = store.states(ids_of(first))
    assert [states[id][0] for id in ids_of(first)] == ["running", "finished", "running"]


def test_more_seeds_beside_a_population_that_has_partly_ended(store):
    few, many = small_plan(seeds=2), small_plan(seeds=3)
    remaining(few, store)
    with store.begin(many, "cpu") as run:
        assert run.claim(few.populations[0])
        over = few.populations[0].trials[0].id
        run.finish({over: results_of(few.populations[0])[over]})
    found = remaining(many, store)
    assert [population.ended for population in found] == [(0,), (), (), ()]
    lone = [[population.trials[2].id] for population in many.populations]
    assert members(found) == [*members(few.populations), *lone]


def test_a_population_that_failed_is_grouped_anew(store):
    plan = small_plan()
    store.keep(plan.populations)
    fail(store, plan, plan.populations[0])
    smaller = replace(
        plan, populations=tuple(Population((t,)) for p in plan.populations for t in p.trials)
    )
    left = members(remaining(smaller, store))
    assert left == [ids_of(plan.populations[1]), *([t.id] for t in plan.populations[0].trials)]


def test_another_protocol_in_one_store_shares_every_training(store):
    plan = small_plan()
    finish(store, plan, *plan.populations)
    other = make_plan(plan.rules, plan.preset, protocol="mad-lab")
    store.begin(other, "cpu").close()
    assert remaining(other, store) == ()


def test_another_preset_or_precision_in_one_store_shares_nothing_with_this(store):
    plan = small_plan()
    finish(store, plan, *plan.populations)
    preset = smoke().only(["memorization"])
    for other in (
        make_plan([builtin_graph("delta")], replace(preset, epochs=3)),
        make_plan([builtin_graph("delta")], preset, precision="bf16"),
    ):
        store.begin(other, "cpu").close()
        assert remaining(other, store) == other.populations


def test_a_benchmark_finds_what_is_there_and_its_table_is_of_its_own_plan(tmp_path, capfd):
    preset = smoke().only(["memorization"])
    archer.bench("delta", preset=preset, seeds=2, store=tmp_path, progress=False)
    capfd.readouterr()
    again = archer.bench("delta", preset=preset, seeds=2, store=tmp_path)
    file = tmp_path / "archer.db"
    assert capfd.readouterr().err == f"2 of 2 trials found in {file}\n"
    more = archer.bench(["delta", "momentum"], preset=preset, seeds=3, store=tmp_path)
    found, one, *rest = capfd.readouterr().err.splitlines()
    assert found == f"2 of 3 trials found in {file}"
    assert one.startswith("[1/1] delta memorization")
    assert rest == []
    assert again.trials["seed"].tolist() == [0, 1]
    assert more.trials["seed"].tolist() == [0, 1, 2] * 2
    assert [p.name for p in tmp_path.iterdir()] == ["archer.db"], "no out, no other file"


def test_what_is_found_is_what_was_trained(tmp_path):
    plan = small_plan(seeds=2)
    without = run_plan(plan, "cpu", 2, progress=False)
    with open_store(tmp_path) as store:
        trained = run_plan(plan, "cpu", 2, progress=False, store=store)
        found = run_plan(plan, "cpu", 2, progress=False, store=store)
    seconds = "seconds"
    assert trained.trials.equals(found.trials)
    assert trained.trials.drop(columns=seconds).equals(without.trials.drop(columns=seconds))


def test_the_device_is_the_one_that_trained(store, monkeypatch):
    plan = small_plan(seeds=1)
    monkeypatch.setattr("archer.store.environment._card", lambda device: {"name": device})
    with store.begin(plan, "cuda") as run:
        assert run.claim(plan.populations[0])
        run.finish(results_of(plan.populations[0]))
    results = run_plan(plan, "cpu", 2, progress=False, store=store)
    assert results.trials["device"].tolist() == ["cuda", "cpu"]


def test_diverged_is_a_result_and_not_trained_again(tmp_path, capfd):
    preset = replace(smoke().only(["in-context-recall"]), lrs=(1e30, 3e-3))
    for _ in range(2):
        results = archer.bench("delta", preset=preset, store=tmp_path)
        assert results.trials["status"].tolist() == ["diverged", "finished"]
    assert capfd.readouterr().err.endswith(f"2 of 2 trials found in {tmp_path / 'archer.db'}\n")
