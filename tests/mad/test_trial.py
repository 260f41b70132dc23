"""A trial's identity: everything that determines it, and nothing else."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from archer.mad.plan import make_plan, model
from archer.mad.presets import smoke
from archer.mad.settings import Setting, baseline
from archer.mad.trial import Trial, make_trial, trial_from_json
from archer.rules.base import Knob, Rule
from archer.rules.graph import RuleGraph
from archer.rules.load import builtin_graph
from archer.rules.trace import trace
from archer.train.population import Regime


def trial(rule: RuleGraph, setting: Setting, *, learn: tuple[str, ...] = (), **knobs: float):
    config = model(smoke(), setting)
    return make_trial(rule, knobs, learn, setting, config, Regime(), 1e-3, 0.1, seed=0)


RECALL = baseline("in-context-recall")


class Momentum(Rule):
    mu = Knob(0.9, low=0.0, high=1.0)
    slots = ("m",)

    def write(self, S, dS, slots, p):
        m = p.mu * slots.m + (1 - p.mu) * dS
        return S + m, {"m": m}


class Renamed(Rule):
    beta_one = Knob(0.9, low=0.0, high=1.0)
    slots = ("average",)

    def write(self, S, dS, slots, p):
        step = (1 - p.beta_one) * dS + p.beta_one * slots.average
        return step + S, {"average": step}


class Doubled(Rule):
    mu = Knob(0.9, low=0.0, high=1.0)
    slots = ("m",)

    def write(self, S, dS, slots, p):
        m = p.mu * slots.m + (1 - p.mu) * dS
        return S + 2 * m, {"m": m}


def test_the_id_sees_through_names_of_variables_knobs_and_slots():
    same = trial(trace(Momentum), RECALL), trial(trace(Renamed), RECALL)
    assert same[0].id == same[1].id
    assert trial(trace(Doubled), RECALL).id != same[0].id
    learned = trial(trace(Momentum), RECALL, learn=("mu",))
    assert learned.id == trial(trace(Renamed), RECALL, learn=("beta_one",)).id
    assert learned.id != same[0].id


class Two(Rule):
    a = Knob(0.5, low=0.0, high=1.0, learn=True)
    b = Knob(0.5, low=0.0, high=1.0, learn=True)

    def write(self, S, dS, slots, p):
        return p.a * S + p.b * dS


class Tied(Rule):
    a = Knob(0.5, low=0.0, high=1.0, learn=True)

    def write(self, S, dS, slots, p):
        return p.a * S + p.a * dS


def test_two_learned_knobs_are_two_also_where_they_start_alike():
    two, tied = trial(trace(Two), RECALL), trial(trace(Tied), RECALL)
    assert two.id != tied.id
    plan = make_plan([trace(Two), trace(Tied)], smoke().only([RECALL.task]))
    assert {row.identical_to for row in plan.rows} == {None}
    # fixed, they are one number
    assert trial(trace(Two), RECALL, a=0.5, b=0.5).id == trial(trace(Tied), RECALL, a=0.5).id


def test_ids_that_stand_in_records_stay():
    """`adam_softmax` has two learned shares that start alike, one inside chunks, one between."""
    rules = ("adam_softmax", "momentum", "softmax_attention")
    found = [trial(builtin_graph(name), RECALL).id for name in rules]
    learned = trial(builtin_graph("momentum"), RECALL, learn=("mu",)).id
    assert [*found, learned] == [
        "346abc7ef899dfd6",
        "bf4d35fba0bd68ca",
        "93c3e8220e1c5032",
        "8a985251d0558642",
    ]


def test_minus_zero_is_zero_and_what_was_stored_with_it_keeps_its_id():
    adam, zero = builtin_graph("adam"), trial(builtin_graph("adam"), RECALL, bias_correction=0.0)
    assert trial(adam, RECALL, bias_correction=-0.0) == zero
    assert "-0.0" not in json.dumps(trial(adam, RECALL, bias_correction=-0.0).to_json()["knobs"])
    arguments = zero.model, zero.regime, 1e-3
    rates = [make_trial(adam, {}, (), RECALL, *arguments, decay, 0) for decay in (0.0, -0.0, 0)]
    assert rates[0].id == rates[1].id != rates[2].id, "an id of a whole number stays what it was"
    stored = replace(rates[0], weight_decay=-0.0)
    assert trial_from_json(json.loads(json.dumps(stored.to_json()))).id == stored.id != rates[0].id


def test_the_id_changes_with_everything_that_determines_the_trial():
    rule = builtin_graph("momentum")
    base = trial(rule, RECALL)
    bounds = replace(rule, knobs=(replace(rule.knobs[0], high=0.95),))
    others = [
        trial(rule, RECALL, mu=0.8),
        trial(rule, RECALL, learn=("mu",)),
        trial(bounds, RECALL, learn=("mu",)),
        trial(rule.with_chunk_size(16), RECALL),
        trial(builtin_graph("decay"), RECALL),
        trial(rule, replace(RECALL, vocab_size=32)),
        trial(rule, replace(RECALL, num_train_examples=800)),
        replace(base, seed=1),
        replace(base, lr=5e-4),
        replace(base, weight_decay=0.0),
        replace(base, model=replace(base.model, heads=2)),
        replace(base, regime=replace(base.regime, epochs=100)),
        replace(base, regime=replace(base.regime, precision="bf16")),
    ]
    assert len({each.id for each in [base, *others]}) == 1 + len(others)


def test_the_split_that_selects_is_not_part_of_it():
    """One training serves both protocols."""
    base = trial(builtin_graph("momentum"), RECALL)
    assert replace(base, regime=replace(base.regime, select="test")).id == base.id


def test_bounds_of_a_knob_that_is_not_learned_do_not_matter():
    rule = builtin_graph("momentum")
    bounds = replace(rule, knobs=(replace(rule.knobs[0], high=0.95),))
    assert trial(rule, RECALL).id == trial(bounds, RECALL).id


def test_a_trial_goes_through_json_unchanged():
    before = trial(builtin_graph("adam_softmax"), RECALL, gamma=0.25)
    after = trial_from_json(json.loads(json.dumps(before.to_json())))
    assert isinstance(after, Trial)
    assert (after, after.id) == (before, before.id)


def test_the_id_is_the_same_in_another_process():
    before = trial(builtin_graph("adam_softmax"), RECALL, gamma=0.25)
    code = (
        "import json, sys; from archer.mad.trial import trial_from_json;"
        "print(trial_from_json(json.load(sys.stdin)).id)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(before.to_json()),
        env=os.environ | {"PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == before.id


def test_the_random_stream_knows_seed_and_setting_but_not_the_rule():
    streams = {trial(builtin_graph(name), RECALL).stream for name in ("delta", "adam")}
    assert len(streams) == 1
    one = trial(builtin_graph("delta"), RECALL)
    assert replace(one, seed=1).stream != one.stream
    assert trial(builtin_graph("delta"), replace(RECALL, vocab_size=32)).stream != one.stream


@pytest.mark.parametrize("name", ["decay", "error_gated", "momentum", "adam"])
def test_on_one_chunk_only_what_acts_is_left(name):
    short, long = baseline("memorization"), RECALL
    delta, rule = builtin_graph("delta"), builtin_graph(name)
    reduced = trial(rule, short)
    assert reduced.rule.name == name
    assert reduced.knobs == ()
    assert reduced.id == trial(delta, short).id
    assert trial(rule, long).id != trial(delta, long).id
    # a chunk that is too short for the sequence writes something that is read
    assert trial(rule.with_chunk_size(31), short).id != trial(delta, short).id


@pytest.mark.parametrize("name", ["softmax_attention", "adam_softmax", "gated_delta"])
def test_local_and_decay_act_on_one_chunk_too(name):
    short = baseline("memorization")
    assert trial(builtin_graph(name), short).id != trial(builtin_graph("delta"), short).id


def test_only_knobs_that_act_are_kept_on_one_chunk():
    reduced = trial(builtin_graph("adam_softmax"), baseline("memorization"))
    assert dict(reduced.knobs) == {"gamma_local": 0.1}
    assert reduced.learn == ("gamma_local",)


def test_an_output_gate_is_another_trial_and_none_changes_no_id():
    """Ids of before there was one stand in stores and records."""
    rule, setting = builtin_graph("gated_delta"), RECALL
    plain, gated = (
        make_trial(rule, {}, (), setting, model(smoke(), setting, gate), Regime(), 1e-3, 0.1, 0)
        for gate in (False, True)
    )
    assert "output_gate" not in plain.to_json()["model"]
    assert plain.id == "6783bd44c937501c"
    assert gated.id != plain.id
    assert trial_from_json(gated.to_json()) == gated
