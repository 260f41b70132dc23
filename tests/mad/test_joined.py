"""Populations for a GPU: as large as shapes allow, and training in them is the trials' own."""

from dataclasses import replace

import pytest

from archer.mad.plan import Population, make_plan
from archer.mad.presets import Preset, mad, smoke
from archer.mad.settings import baseline
from archer.mad.work import train
from archer.rules.load import builtin_graph


def test_populations_of_the_whole_benchmark_are_few_and_large():
    plan = make_plan([builtin_graph("delta")], mad(), together=True)
    trials = [trial for population in plan.populations for trial in population.trials]
    assert sorted(t.id for t in trials) == sorted(row.trial.id for row in plan.rows)
    assert len(plan.populations) == 19
    largest = max(plan.populations, key=lambda population: len(population.trials))
    assert {t.setting.task for t in largest.trials} == {
        "in-context-recall",
        "noisy-in-context-recall",
    }
    assert len(largest.trials) == 114
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


def test_one_number_of_copied_tokens_scores_one_set_of_positions():
    copying = baseline("selective-copying")
    settings = (copying, replace(copying, num_tokens_to_copy=32))
    preset = replace(smoke(), settings=settings)
    plan = make_plan([builtin_graph("delta")], preset, together=True)
    assert len(plan.populations) == 2
