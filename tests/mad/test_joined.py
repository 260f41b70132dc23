"""Populations for a GPU: as large as shapes allow, and training in them is the trials' own."""

import math
from dataclasses import replace

import pytest
import torch

from archer.mad import joined
from archer.mad.plan import Population, make_plan
from archer.mad.presets import Preset, mad, smoke
from archer.mad.settings import Setting, baseline
from archer.mad.work import train
from archer.rules.load import builtin_graph

# label without the rule, length: the populations of `delta` on the whole benchmark
APART = [
    ("in-context-recall +18 x114", 127),
    ("in-context-recall/seq_len=256 +1 x12", 255),
    ("in-context-recall/seq_len=512 +1 x12", 511),
    ("in-context-recall/seq_len=1024 +1 x12", 1023),
    ("compression +7 x48", 32),
    ("compression/seq_len=64 x6", 64),
    ("compression/seq_len=128 x6", 128),
    ("compression/seq_len=256 x6", 256),
    ("memorization +5 x36", 32),
    ("fuzzy-in-context-recall +7 x48", 128),
]
FEW_POSITIONS_PADDED = [
    ("fuzzy-in-context-recall/seq_len=256 x6", 256),
    ("fuzzy-in-context-recall/seq_len=512 x6", 512),
    ("fuzzy-in-context-recall/seq_len=1024 x6", 1024),
    ("selective-copying/num_tokens_to_copy=32 +8 x54", 256),
    ("selective-copying/num_tokens_to_copy=96 +1 x12", 256),
    ("selective-copying/seq_len=512 x6", 512),
    ("selective-copying/seq_len=1024 x6", 1024),
]
ALL_POSITIONS_PADDED = [
    ("fuzzy-in-context-recall/seq_len=256 +11 x72", 256),
    ("fuzzy-in-context-recall/seq_len=512 +1 x12", 512),
    ("fuzzy-in-context-recall/seq_len=1024 +1 x12", 1024),
]


@pytest.mark.parametrize(
    ("most", "others"),
    [(joined.MOST_POSITIONS, FEW_POSITIONS_PADDED), (math.inf, ALL_POSITIONS_PADDED)],
)
def test_populations_of_the_whole_benchmark_are_few_and_large(monkeypatch, most, others):
    monkeypatch.setattr(joined, "MOST_POSITIONS", most)
    plan = make_plan([builtin_graph("delta")], mad(), together=True)
    trials = [trial for population in plan.populations for trial in population.trials]
    assert sorted(t.id for t in trials) == sorted(row.trial.id for row in plan.rows)
    found = [(p.label.removeprefix("delta "), p.trials[0].model.length) for p in plan.populations]
    assert sorted(found) == sorted([*APART, *others])
    tokens = [population.training_tokens for population in plan.populations]
    assert tokens == sorted(tokens, reverse=True)
    for population in plan.populations:
        shapes = {(t.setting.length, t.model.autoencoder) for t in population.trials}
        assert len(shapes) == 1
        examples = [t.setting.num_train_examples for t in population.trials]
        assert examples == sorted(examples, reverse=True)


@pytest.mark.parametrize("task", ["compression", "memorization", "noisy-in-context-recall"])
def test_joined_trials_train_as_apart(task):
    """Different vocabularies and training-set sizes in one population."""
    small = next(s for s in smoke().settings if s.task == task)
    other = replace(small, vocab_size=small.vocab_size + 8, num_train_examples=24)
    preset = Preset("two", "", (small, other), lrs=(1e-3,), weight_decays=(0.1,), dim=16, epochs=3)
    preset = replace(preset, batch_size=16)
    plan = make_plan([builtin_graph("delta")], preset, together=True)
    (population,) = plan.populations
    together = train(population, "cpu")
    for trial, result in zip(population.trials, together, strict=True):
        (alone,) = train(Population((trial,)), "cpu")
        assert result.steps == alone.steps
        assert result.best_epoch == alone.best_epoch
        for mine, theirs in zip(result.history, alone.history, strict=True):
            assert mine.train_loss == pytest.approx(theirs.train_loss, rel=1e-5)
            assert mine.test.loss == pytest.approx(theirs.test.loss, rel=1e-5)
            assert mine.test.plain_accuracy == pytest.approx(theirs.test.plain_accuracy, abs=1e-3)


@pytest.fixture
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def four_kinds() -> Preset:
    """Three tasks at one length, scored at all, 12, 4 and half of the positions."""
    small = {s.task: replace(s, seq_len=32) for s in smoke().settings}
    copying = small["selective-copying"]
    settings = (
        copying,
        replace(copying, num_tokens_to_copy=12, num_train_examples=24),
        replace(small["fuzzy-in-context-recall"], vocab_size=20),
        small["memorization"],
    )
    return replace(smoke(), settings=settings, epochs=2)


def test_members_of_several_tasks_train_as_in_a_population_of_their_own(monkeypatch, double):
    """In float64 to nine digits: with other positions about, sums run in another order."""
    monkeypatch.setattr(joined, "MOST_POSITIONS", math.inf)
    (population,) = make_plan([builtin_graph("delta")], four_kinds(), together=True).populations
    assert len({trial.setting.task for trial in population.trials}) == 3
    together = train(population, "cpu")
    for trial, result in zip(population.trials, together, strict=True):
        (alone,) = train(Population((trial,)), "cpu")
        assert (result.steps, result.best_epoch) == (alone.steps, alone.best_epoch)
        for mine, theirs in zip(result.history, alone.history, strict=True):
            assert mine.train_loss == pytest.approx(theirs.train_loss, rel=1e-9)
            for name in ("validation", "test"):
                found, expected = getattr(mine, name), getattr(theirs, name)
                assert found.loss == pytest.approx(expected.loss, rel=1e-9)
                assert found.perplexity == pytest.approx(expected.perplexity, rel=1e-9)
                assert found.accuracy == expected.accuracy
                assert found.plain_accuracy == expected.plain_accuracy


def sizes(*settings: Setting) -> list[int]:
    plan = make_plan([builtin_graph("delta")], replace(smoke(), settings=settings), together=True)
    return sorted(len(population.trials) for population in plan.populations)


def test_nobody_is_scored_at_more_than_twice_its_own_positions():
    copying = baseline("selective-copying")
    assert sizes(copying, replace(copying, num_tokens_to_copy=32)) == [2]
    assert sizes(copying, replace(copying, num_tokens_to_copy=33)) == [1, 1]
    three = [replace(copying, num_tokens_to_copy=n) for n in (20, 40, 80)]
    assert sizes(*three) == [1, 2]
    recall = replace(baseline("fuzzy-in-context-recall"), seq_len=256)
    assert sizes(copying, recall) == [1, 1]


@pytest.mark.parametrize(("words", "expected"), [(256, [3]), (257, [1, 2])])
def test_large_vocabularies_are_padded_within_their_task_only(words, expected):
    small = replace(baseline("memorization"), vocab_size=200)
    recall = replace(baseline("fuzzy-in-context-recall"), seq_len=small.seq_len)
    examples = {"num_train_examples": recall.num_train_examples}
    assert sizes(small, replace(small, vocab_size=words, **examples), recall) == expected
    assert sizes(small, replace(small, vocab_size=8192)) == [2]


def test_held_out_sizes_and_backbones_keep_trials_apart():
    recall = replace(baseline("fuzzy-in-context-recall"), seq_len=32)
    assert sizes(recall, replace(recall, num_test_examples=640)) == [1, 1]
    assert sizes(recall, baseline("compression")) == [1, 1]


def test_rules_come_in_their_order_and_their_largest_population_first():
    graphs = [builtin_graph(name) for name in ("gated_delta", "delta")]
    plan = make_plan(graphs, smoke(), together=True)
    names = [population.trials[0].rule.name for population in plan.populations]
    assert names == sorted(names, key=["gated_delta", "delta"].index)
    for name in ("gated_delta", "delta"):
        mine = [p.training_tokens for p in plan.populations if p.trials[0].rule.name == name]
        assert len(set(mine)) > 1
        assert mine == sorted(mine, reverse=True)
