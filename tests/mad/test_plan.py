"""From rules, presets and seeds to rows and populations."""

import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from archer.errors import ArcherError
from archer.mad.plan import Knobs, Plan, Population, make_plan, tokens
from archer.mad.presets import core, mad, quick, smoke
from archer.mad.settings import TASKS, settings
from archer.mad.trial import trial_from_json
from archer.mad.weights import untrained
from archer.rules.graph import RuleGraph
from archer.rules.load import BUILTIN, builtin_graph, load_graph

LIKE_DELTA = ("decay", "error_gated", "momentum", "adam")  # neither `local` nor a decay


def rules(*names: str) -> list[RuleGraph]:
    return [builtin_graph(name) for name in names]


def same(plan: Plan) -> set[tuple[str, str, str]]:
    """(rule, task, rule it is identical to) of the marked rows."""
    return {
        (row.rule, row.trial.setting.task, row.identical_to)
        for row in plan.rows
        if row.identical_to is not None
    }


def test_the_whole_benchmark_of_one_rule_is_66_settings_of_six_trials():
    plan = make_plan(rules("delta"), mad())
    assert len(plan.rows) == len({row.trial.id for row in plan.rows}) == 396
    per_setting = Counter(row.trial.setting for row in plan.rows)
    assert list(per_setting) == [s for task in TASKS for s in settings(task)]
    assert set(per_setting.values()) == {6}
    grid = {(row.trial.lr, row.trial.weight_decay) for row in plan.rows}
    assert grid == {(lr, wd) for lr in (1e-4, 5e-4, 1e-3) for wd in (0.0, 0.1)}


def test_trials_train_as_the_protocol_says():
    for row in make_plan(rules("gated_delta"), mad()).rows:
        trial = row.trial
        assert (trial.regime.epochs, trial.regime.batch_size) == (200, 128)
        assert trial.regime.stop_accuracy == 0.999
        assert (trial.model.dim, trial.model.heads, trial.model.blocks) == (128, 1, 2)
        assert trial.model.vocab_size == trial.setting.vocab_size
        assert trial.model.length == trial.setting.length
        assert trial.model.autoencoder == (trial.setting.task == "compression")
        assert trial.rule.chunk_size == 32


def test_steps_and_tokens_of_one_rule():
    trials = [row.trial for row in make_plan(rules("delta"), mad()).rows]
    steps = sum(200 * math.ceil(trial.setting.num_train_examples / 128) for trial in trials)
    assert steps == 5_384_400
    trained = sum(tokens(trial)[0] for trial in trials)
    assert trained == sum(6 * 200 * s.num_train_examples * s.length for s in mad().settings)
    evaluated = sum(tokens(trial)[1] for trial in trials)
    assert evaluated == sum(6 * 200 * 2 * 1280 * s.length for s in mad().settings)


@pytest.mark.parametrize(("protocol", "select"), [("strict", "validation"), ("mad-lab", "test")])
def test_the_protocol_says_which_split_selects(protocol, select):
    plan = make_plan(rules("delta"), smoke(), protocol=protocol)
    assert {row.trial.regime.select for row in plan.rows} == {select}


def test_protocols_share_every_trial():
    """A training ends when both would have stopped it; each reads its own epochs."""
    strict, published = (
        {row.trial.id for row in make_plan(rules("delta"), smoke(), protocol=protocol).rows}
        for protocol in ("strict", "mad-lab")
    )
    assert strict == published


def test_what_is_identical_to_delta_is_trained_once():
    plan = make_plan(rules(*BUILTIN), core())
    assert len(plan.rows) == 8 * 6 * 6
    assert same(plan) == {
        (rule, task, "delta") for rule in LIKE_DELTA for task in ("memorization", "compression")
    }
    trained = [trial.id for population in plan.populations for trial in population.trials]
    assert len(trained) == len(set(trained)) == 8 * 36 - len(LIKE_DELTA) * 12
    assert set(trained) == {row.trial.id for row in plan.rows}


def test_longer_compression_is_not_identical():
    marked = {
        (row.trial.setting.seq_len, row.identical_to)
        for row in make_plan(rules("delta", "momentum"), mad().only(["compression"])).rows
        if row.rule == "momentum"
    }
    assert marked == {(32, "delta"), (64, None), (128, None), (256, None)}


@pytest.mark.parametrize("order", [("delta", "momentum"), ("momentum", "delta"), ("momentum",)])
def test_marks_name_delta_in_any_order_and_without_it(order):
    plan = make_plan(rules(*order), core())
    expected = {("momentum", task, "delta") for task in ("memorization", "compression")}
    assert same(plan) == expected


def test_identical_rules_of_ones_own_are_marked(tmp_path: Path):
    names = ("Sum", "SameSum")
    bodies = ("S + 0.5 * dS", "0.5 * dS + S")
    graphs = []
    for name, body in zip(names, bodies, strict=True):
        path = tmp_path / f"{name}.py"
        path.write_text(
            f"from archer import Rule\nclass {name}(Rule):\n"
            f"    def write(self, S, dS, slots, p):\n        return {body}\n"
        )
        graphs.append(load_graph(str(path)))
    plan = make_plan(graphs, core().only(["in-context-recall"]))
    assert same(plan) == {("same_sum", "in-context-recall", "sum")}
    assert sum(len(population.trials) for population in plan.populations) == 6


def test_knobs_make_trials_differ_only_where_they_act():
    knobs = Knobs({"softmax_attention.scale": 4.0, "momentum.mu": 0.8})
    plan = make_plan(rules("momentum", "softmax_attention"), core(), knobs=knobs)
    for row in plan.rows:
        found = dict(row.trial.knobs)
        if row.rule == "softmax_attention":
            assert found == {"scale": 4.0}
        elif row.trial.setting.task in ("memorization", "compression"):
            assert found == {}
        else:
            assert found == {"mu": 0.8}


def test_learned_knobs_reach_the_trials():
    plan = make_plan(rules("momentum"), core(), knobs=Knobs(learn=("momentum.mu",)))
    learned = {row.trial.setting.task: row.trial.learn for row in plan.rows}
    assert learned["in-context-recall"] == ("mu",)
    assert learned["memorization"] == ()


def test_populations_hold_one_shape_and_no_more_than_asked():
    plan = make_plan(rules("delta", "momentum"), mad(), largest=7)
    for population in plan.populations:
        assert 1 <= len(population.trials) <= 7
        shapes = {
            (
                trial.rule.rule_hash,
                trial.rule.name,
                trial.learn,
                trial.model,
                trial.regime,
                trial.setting.task,
                trial.setting.num_train_examples,
            )
            for trial in population.trials
        }
        assert len(shapes) == 1


def test_members_of_one_population_differ_in_seed_lr_and_knobs():
    plan = make_plan(rules("delta"), core().only(["in-context-recall"]), seeds=3)
    (population,) = plan.populations
    assert len(population.trials) == 18
    assert {trial.seed for trial in population.trials} == {0, 1, 2}
    assert population.label == "delta in-context-recall x18"


def test_populations_of_noise_levels_are_shared_and_say_so():
    noisy = mad().only(["noisy-in-context-recall"])
    plan = make_plan(rules("delta"), noisy)
    shared = next(p for p in plan.populations if len(p.trials) == 24)
    assert {trial.setting.frac_noise for trial in shared.trials} == {0.2, 0.4, 0.6, 0.8}
    assert shared.label == "delta noisy-in-context-recall +3 x24"


def test_a_population_goes_through_json_unchanged():
    for population in make_plan(rules("adam_softmax", "gated_delta"), quick()).populations:
        text = json.dumps(population.to_json())
        assert Population.from_json(json.loads(text)) == population


def test_the_preset_sets_the_chunk_of_every_rule():
    plan = make_plan(rules("delta", "momentum"), quick())
    assert {row.trial.rule.chunk_size for row in plan.rows} == {16}


@pytest.mark.parametrize(
    ("knobs", "message"),
    [
        (Knobs({"momentum.mu": 1.5}), r"momentum.mu=1.5 is out of bounds: use a value in \[0, 1\]"),
        (Knobs({"momentum.mu": math.nan}), r"momentum.mu=nan is out of bounds"),
        (Knobs({"momentum.nu": 0.5}), r"no such knob; momentum has momentum.mu"),
        (Knobs({"mu": 0.5}), r"a knob is written rule.knob.*\(delta, momentum\)"),
        (Knobs({"adam.lr": 0.5}), r"a knob is written rule.knob.*\(delta, momentum\)"),
        (Knobs({"delta.mu": 0.5}), r"no such knob; delta has no knobs"),
        (Knobs(learn=("momentum.nu",)), r"no such knob; momentum has momentum.mu"),
        (Knobs({"momentum.mu": 1.0}, ("momentum.mu",)), r"cannot be learned from its bound 1"),
    ],
)
def test_bad_knobs_are_refused_before_any_training(knobs, message):
    with pytest.raises(ArcherError, match=message):
        make_plan(rules("delta", "momentum"), smoke(), knobs=knobs)


def test_bad_plans_are_refused():
    with pytest.raises(ArcherError, match="two rules are named delta: name each once"):
        make_plan(rules("delta", "delta"), smoke())
    with pytest.raises(ArcherError, match="no rule given"):
        make_plan([], smoke())
    with pytest.raises(ArcherError, match="seeds=0: at least one"):
        make_plan(rules("delta"), smoke(), seeds=0)
    with pytest.raises(ArcherError, match="unknown protocol 'loose': use strict or mad-lab"):
        make_plan(rules("delta"), smoke(), protocol="loose")
    with pytest.raises(ArcherError, match="unknown precision 'fp8': use fp32 or bf16"):
        make_plan(rules("delta"), smoke(), precision="fp8")


def test_a_rule_of_ones_own_may_not_pass_for_a_built_in_one():
    other = replace(builtin_graph("decay"), name="momentum")
    with pytest.raises(ArcherError, match="named like the built-in rule momentum: rename its"):
        make_plan([other], smoke())
    copy = replace(builtin_graph("momentum"), name="momentum")
    assert make_plan([copy], smoke()).rules[0].name == "momentum"


def learned_by_task(knobs: Knobs) -> dict[str, tuple[str, ...]]:
    plan = make_plan(rules("adam_softmax"), smoke(), knobs=knobs)
    return {row.trial.setting.task: row.trial.learn for row in plan.rows}


def test_a_value_fixes_a_knob_that_its_rule_learns():
    long, short = "in-context-recall", "memorization"
    assert learned_by_task(Knobs())[long] == ("gamma", "gamma_local")
    fixed = Knobs({"adam_softmax.gamma": 0.5})
    assert learned_by_task(fixed)[long] == ("gamma_local",)
    assert learned_by_task(Knobs({"adam_softmax.gamma_local": 0.5}))[short] == ()
    started = Knobs({"adam_softmax.gamma": 0.5}, ("adam_softmax.gamma",))
    assert learned_by_task(started)[long] == ("gamma", "gamma_local")
    default = Knobs({"adam_softmax.gamma": 0.1})
    ids = {
        make_plan(rules("adam_softmax"), smoke().only([long]), knobs=knobs).rows[0].trial.id
        for knobs in (Knobs(), fixed, started, default)
    }
    assert len(ids) == 4, "fixed at its default is not learned from there"


def test_a_fixed_knob_is_no_parameter_of_the_model():
    knobs = Knobs({"adam_softmax.gamma": 0.0})  # a bound, from which it could not be learned
    plan = make_plan(rules("adam_softmax"), smoke().only(["in-context-recall"]), knobs=knobs)
    again = trial_from_json(plan.rows[0].trial.to_json())
    for trial in (plan.rows[0].trial, again):
        logits = [name for name, _ in untrained(trial).named_parameters() if "logit_" in name]
        assert sorted({name.rpartition("_")[2] for name in logits}) == ["local"]


def test_a_rule_that_would_learn_from_a_bound_is_refused_before_any_training():
    rule = builtin_graph("adam_softmax")
    bound = replace(rule, name="mine", knobs=(replace(rule.knobs[0], default=0.0), *rule.knobs[1:]))
    with pytest.raises(ArcherError, match="knob gamma cannot be learned from its bound 0"):
        make_plan([bound], smoke())
    make_plan([bound], smoke(), knobs=Knobs({"mine.gamma": 0.0}))
