"""The contract of a store: checks that hold for every database it may be kept in.

Each check takes a function that opens one and the same, empty at first, database:

    @pytest.mark.parametrize("check", CONTRACT)
    def test_contract(check, opened): check(opened)
"""

import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import chain

from archer.mad.plan import Plan, Population, make_plan
from archer.mad.presets import smoke
from archer.mad.rates import ChosenRates
from archer.mad.trial import Trial
from archer.rules.load import builtin_graph
from archer.store import owner
from archer.store.owner import Owner, this_process
from archer.store.store import Store
from archer.train.results import EpochMetrics, MemberResult, SplitMetrics, Status

Opened = Callable[[], Store]
ELSEWHERE = Owner("another machine", 1, "1")


def small_plan(seeds: int = 3, rule: str = "delta") -> Plan:
    """A smoke plan on memorization and in-context recall: two populations of `seeds` members."""
    preset = smoke().only(["memorization", "in-context-recall"])
    return make_plan([builtin_graph(rule)], preset, seeds=seeds)


def made_up_result(trial: Trial, status: Status = "finished") -> MemberResult:
    """A result that no training gave, with numbers that are awkward to store."""
    third = SplitMetrics(1 / 3, 0.1 + 0.2, 5e-324, math.inf)
    lost = SplitMetrics(math.nan, 0.0, math.nan, 1.7976931348623157e308)
    history = [EpochMetrics(1, trial.seed + 0.1, third, third), EpochMetrics(2, -1e-7, lost, third)]
    result = MemberResult(
        steps=4, seconds=0.25, history=history, best_epoch=1, learned={"mu": [[0.8], [1 / 3]]}
    )
    return replace(result, status=status)


def results_of(population: Population) -> dict[str, MemberResult]:
    """Made-up results by trial id."""
    return {trial.id: made_up_result(trial) for trial in population.trials}


def ids_of(*populations: Population) -> list[str]:
    """Ids of all members in order."""
    return [trial.id for population in populations for trial in population.trials]


def results_come_back_to_the_bit(opened: Opened) -> None:
    plan = small_plan()
    first, second = plan.populations
    with opened() as store, store.begin(plan, "cpu") as run:
        assert run.claim(first)
        assert run.finish(results_of(first)) == set(ids_of(first))
    with opened() as store:
        found = store.results(ids_of(first, second))
        assert set(found) == set(ids_of(first))
        for trial in first.trials:  # repr tells every bit, and NaN equals NaN
            assert repr(found[trial.id]) == repr(made_up_result(trial))
        assert store.devices(ids_of(first, second)) == dict.fromkeys(ids_of(first), "cpu")
        (run_row,) = store.runs()
        assert run_row["environment"]["versions"]["torch"]
        assert (run_row["device"], run_row["alive"]) == ("cpu", False)


def what_has_ended_never_changes(opened: Opened) -> None:
    plan = small_plan()
    first = plan.populations[0]
    with opened() as store, store.begin(plan, "cpu") as run, store.begin(plan, "cpu") as other:
        assert run.claim(first)
        assert run.finish(results_of(first)) == set(ids_of(first))
        changed = {t.id: made_up_result(t, "diverged") for t in first.trials}
        assert run.finish(changed) == other.finish(changed) == set()
        run.fail(ids_of(first), "too late")
        assert not run.claim(first)
        assert not other.claim(first)
        store.begin(plan, "cpu").close()
        states = store.states(ids_of(first))
        assert states == dict.fromkeys(ids_of(first), ("finished", ""))
        assert repr(store.results(ids_of(first))) == repr(store.results(ids_of(first)))
        assert {r.status for r in store.results(ids_of(first)).values()} == {"finished"}


def a_population_is_held_whole_and_by_one(opened: Opened) -> None:
    plan = small_plan()
    first, second = plan.populations
    overlapping = Population((first.trials[0], second.trials[0]))
    with opened() as store, store.begin(plan, "cpu") as run, store.begin(plan, "cpu") as other:
        assert run.claim(first)
        assert run.claim(first), "what one holds may be claimed again"
        assert not other.claim(first)
        assert not other.claim(overlapping)
        assert store.states(ids_of(second)) == dict.fromkeys(ids_of(second), ("waiting", ""))
        assert other.finish(results_of(first)) == set(), "results of what another holds"
        assert other.claim(second)
        assert not run.claim(second)
        run.close()
        assert other.claim(first), "what a closed run held is free"
        assert run.finish(results_of(first)) == set()


def a_failed_trial_tells_why_and_may_be_tried_again(opened: Opened) -> None:
    plan = small_plan()
    first = plan.populations[0]
    with opened() as store:
        with store.begin(plan, "cpu") as run:
            assert run.claim(first)
            run.fail(ids_of(first), "no memory")
        assert store.states(ids_of(first)) == dict.fromkeys(ids_of(first), ("failed", "no memory"))
        assert store.results(ids_of(first)) == {}
        with store.begin(plan, "cpu") as run:
            assert run.claim(first)
            assert run.finish(results_of(first)) == set(ids_of(first))
        assert store.states(ids_of(first)) == dict.fromkeys(ids_of(first), ("finished", ""))


def a_lease_ends_unless_its_run_shows_life(opened: Opened) -> None:
    plan = small_plan()
    first, second = plan.populations
    with opened() as store, store.begin(plan, "cpu") as run:
        silent = store.begin(plan, "cpu", owner=ELSEWHERE, lease=0.0)
        living = store.begin(plan, "cpu", owner=ELSEWHERE, lease=3600.0)
        assert silent.claim(first)
        assert living.claim(second)
        assert store.states(ids_of(first))[ids_of(first)[0]] == ("waiting", "")
        assert store.states(ids_of(second))[ids_of(second)[0]] == ("running", "")
        assert not run.claim(second), "another machine's lease is not over"
        assert run.claim(first)
        silent.beat()
        assert silent.finish(results_of(first)) == set(), "it came back too late"
        assert run.finish(results_of(first)) == set(ids_of(first))
        assert living.finish(results_of(second)) == set(ids_of(second))


def a_clock_that_is_set_ends_no_lease_of_a_living_process(opened: Opened) -> None:
    """A lease of nothing is what a jump of the clock leaves of any."""
    plan = small_plan()
    first = plan.populations[0]
    with opened() as store, store.begin(plan, "cpu", lease=0.0) as run:
        held = store.begin(plan, "cpu", lease=0.0)
        assert held.claim(first)
        assert store.states(ids_of(first))[ids_of(first)[0]] == ("running", "")
        assert not run.claim(first)
        assert [each["alive"] for each in store.runs()] == [True, True]
        held.close()
        assert run.claim(first)


def a_run_shows_life_by_itself(opened: Opened) -> None:
    deadline = time.monotonic() + 60
    with opened() as store, store.begin(small_plan(), "cpu", lease=0.2):
        until = [store.runs()[0]["until"]]
        while len(until) < 3:
            assert time.monotonic() < deadline, "no sign of life"
            time.sleep(0.01)
            now = store.runs()[0]["until"]
            until += [now] if now > until[-1] else []


def what_a_dead_process_held_is_free_at_once(opened: Opened) -> None:
    plan = small_plan()
    first = plan.populations[0]
    code = f"import runpy, time; me = runpy.run_path({owner.__file__!r})['this_process'];"
    code += "o = me(); print(o.machine, o.pid, o.born, sep='|', flush=True); time.sleep(3600)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as held:
        try:
            assert held.stdout is not None
            machine, pid, born = held.stdout.readline().strip().split("|")
            with opened() as store, store.begin(plan, "cpu") as run:
                holder = Owner(machine, int(pid), born)
                assert store.begin(plan, "cpu", owner=holder, lease=3600).claim(first)
                assert not run.claim(first)
                held.kill()
                held.wait()
                assert store.states(ids_of(first))[ids_of(first)[0]] == ("waiting", "")
                assert run.claim(first)
                recycled = Owner(machine, this_process().pid, "before this process")
                second = plan.populations[1]
                assert store.begin(plan, "cpu", owner=recycled, lease=3600).claim(second)
                assert run.claim(second), "another process has the pid now"
        finally:
            held.kill()


def many_claim_and_each_population_has_one_holder(opened: Opened) -> None:
    plan = small_plan(seeds=12)
    singles = [Population((trial,)) for p in plan.populations for trial in p.trials]
    won: list[list[str]] = []

    def work(order: int) -> None:
        mine: list[str] = []
        with opened() as store, store.begin(plan, "cpu") as run:
            for single in singles[::order]:
                if run.claim(single):
                    mine += run.finish(results_of(single))
        won.append(mine)

    threads = [threading.Thread(target=work, args=(order,)) for order in (1, -1, 1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 4, "a thread died"
    assert sorted(chain.from_iterable(won)) == sorted(ids_of(*singles))


def populations_keep_their_order(opened: Opened) -> None:
    plan = small_plan()
    first, second = plan.populations
    reversed_ = Population(first.trials[::-1])
    with opened() as store:
        store.keep([second, reversed_])
        store.keep([first, second])
    with opened() as store:
        expected = [tuple(ids_of(p)) for p in (second, reversed_, first)]
        assert store.populations() == expected


def a_plan_is_recorded_once_and_runs_each(opened: Opened) -> None:
    with opened() as store:
        for plan in (small_plan(), small_plan(), small_plan(seeds=1)):
            store.begin(plan, "cpu").close()
        assert [len(plan["rows"]) for plan in store.plans()] in ([6, 2], [2, 6])
        assert len(store.runs()) == 3
        rule, task, trial, identical = store.plans()[0]["rows"][0]
        assert (rule, identical) == ("delta", None)
        assert store.states([trial]) == {trial: ("waiting", "")}
        assert task in ("memorization", "in-context-recall")
        assert store.states(["unknown"]) == {}
        assert store.results(["unknown"]) == {}


def chosen_rates_stay_with_their_plan(opened: Opened) -> None:
    grid = small_plan(seeds=1)
    rates = tuple((s.name, 3e-3, 0.0) for s in grid.preset.settings)
    found = [ChosenRates("delta", of, "there", (0, 1), rates) for of in ("delta", "momentum")]
    plans = [make_plan(grid.rules, grid.preset, rates=[each]) for each in found]
    with opened() as store:
        for plan in (*plans, grid, plans[0]):
            store.begin(plan, "cpu").close()
    with opened() as store:
        kept = {plan["rates"]: plan for plan in store.plans()}
    assert len(kept) == 3
    assert kept[()]["preset"] == "smoke"
    for each in found:  # one trial may be asked for in several ways
        assert kept[each,]["preset"] == "smoke (chosen rates)"
        assert kept[each,]["rows"] == kept[()]["rows"]


CONTRACT: tuple[Callable[[Opened], None], ...] = (
    results_come_back_to_the_bit,
    what_has_ended_never_changes,
    a_population_is_held_whole_and_by_one,
    a_failed_trial_tells_why_and_may_be_tried_again,
    a_lease_ends_unless_its_run_shows_life,
    a_clock_that_is_set_ends_no_lease_of_a_living_process,
    a_run_shows_life_by_itself,
    what_a_dead_process_held_is_free_at_once,
    many_claim_and_each_population_has_one_holder,
    populations_keep_their_order,
    a_plan_is_recorded_once_and_runs_each,
    chosen_rates_stay_with_their_plan,
)
