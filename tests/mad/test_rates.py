"""Plans at rates that were chosen beforehand, and plans that begin at another seed."""

import json
from dataclasses import replace

import pytest

from archer.errors import ArcherError
from archer.mad.plan import make_plan
from archer.mad.presets import PRESETS, preset_of_table, smoke
from archer.mad.rates import ChosenRates, rates_of, told_rates
from archer.rules.load import builtin_graph

TASKS = ("in-context-recall", "memorization")
PRESET = replace(smoke().only(TASKS), lrs=(1e-3, 3e-3), weight_decays=(0.0, 0.1))
RECALL, MEMORIZE = (setting.name for setting in PRESET.settings)
DELTA = ((1e-3, 0.1), (3e-3, 0.0))
MOMENTUM = ((3e-3, 0.1), (3e-3, 0.0))


def chosen(rule, points, of=None):
    rates = tuple((s.name, *point) for s, point in zip(PRESET.settings, points, strict=True))
    return ChosenRates(rule, of or rule, "records/x", (0, 2), rates)


def plan(*rules, rates=(), preset=PRESET, **options):
    return make_plan([builtin_graph(rule) for rule in rules], preset, rates=rates, **options)


def places(found):
    return {
        (row.rule, t.setting.name, t.lr, t.weight_decay, t.seed): t.id
        for row in found.rows
        for t in (row.trial,)
    }


def test_every_rule_is_trained_at_its_own_rates_alone():
    rates = (chosen("delta", DELTA), chosen("momentum", MOMENTUM))
    found = plan("delta", "momentum", rates=rates, seeds=2, first_seed=3)
    assert list(places(found)) == [
        (rule, setting, *point, seed)
        for rule, points in (("delta", DELTA), ("momentum", MOMENTUM))
        for setting, point in zip((RECALL, MEMORIZE), points, strict=True)
        for seed in (3, 4)
    ]
    assert found.rates == rates


def test_its_trials_are_those_of_the_grid_by_their_ids():
    rates = (chosen("delta", DELTA), chosen("momentum", MOMENTUM))
    few = places(plan("delta", "momentum", rates=rates, seeds=2, first_seed=3))
    grid = places(plan("delta", "momentum", seeds=5))
    assert len(few) == 8
    assert few.items() <= grid.items()


def test_a_grid_may_begin_at_any_seed():
    late, all_of_them = (places(plan("delta", **s)) for s in ({"first_seed": 3}, {"seeds": 4}))
    assert late == {place: id for place, id in all_of_them.items() if place[-1] == 3}
    assert len(late) == 8


def test_such_a_table_bears_a_name_of_its_own():
    at_rates = plan("delta", rates=[chosen("delta", DELTA)]).preset
    assert at_rates.name == "smoke (chosen rates)"
    assert "grid" not in at_rates.about
    assert plan("delta").preset.name == "smoke"
    assert plan("delta").rates == ()
    for name, preset in PRESETS.items():
        assert preset_of_table(name) == preset()
        found = preset_of_table(f"{name} (chosen rates)")
        assert (found.settings, found.comparable) == (preset().settings, preset().comparable)
    assert preset_of_table("mine (chosen rates)") is None


@pytest.mark.parametrize("rules", [("delta", "momentum"), ("momentum", "delta")])
@pytest.mark.parametrize(
    ("memorize", "same", "trained"), [((3e-3, 0.0), "delta", 3), ((1e-3, 0.0), None, 4)]
)
def test_one_function_is_one_training_only_at_the_same_rates(rules, memorize, same, trained):
    """On memorization momentum is delta, since the sequence is one chunk."""
    own = (MOMENTUM[0], memorize)
    found = plan(*rules, rates=(chosen("delta", DELTA), chosen("momentum", own)))
    marks = {(row.rule, row.trial.setting.name): row.identical_to for row in found.rows}
    assert marks.pop(("momentum", MEMORIZE)) == same
    assert set(marks.values()) == {None}
    assert sum(len(population.trials) for population in found.populations) == trained


def test_nothing_is_called_delta_where_delta_has_no_rates():
    found = plan("momentum", rates=[chosen("momentum", MOMENTUM)])
    assert {row.identical_to for row in found.rows} == {None}


def test_rates_that_do_not_fit_the_plan_are_refused():
    rates = [chosen("delta", DELTA)]
    with pytest.raises(ArcherError, match=f"rates for momentum on {RECALL}"):
        plan("delta", "momentum", rates=rates)
    with pytest.raises(ArcherError, match="rates for delta on memorization"):
        plan("delta", rates=rates, preset=PRESET.only(["in-context-recall"]))


@pytest.mark.parametrize(
    ("first", "message"),
    [(-1, "first_seed=-1: seeds begin at 0"), (1.5, "whole number"), (True, "whole number")],
)
def test_a_first_seed_that_is_none_is_refused(first, message):
    with pytest.raises(ArcherError, match=message):
        plan("delta", first_seed=first)


def test_chosen_rates_go_through_json_and_are_told_per_trial():
    mine = chosen("momentum", MOMENTUM, of="delta")
    assert ChosenRates.from_json(json.loads(json.dumps(mine.to_json()))) == mine
    told = {"rates_from": "records/x", "rates_of": "delta", "rates_seeds": "0 2"}
    assert told_rates([mine], "momentum", RECALL) == told
    assert told_rates([mine], "delta", RECALL) == {}
    assert rates_of([mine], "momentum", "elsewhere") is None
