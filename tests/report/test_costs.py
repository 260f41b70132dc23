"""What the table of costs counts."""

import pytest

from archer.mad.trained import trained
from archer.report.costs import costs
from archer.report.files import write_results
from archer.report.study import Study

# On memorization `momentum` and `decay` are the same function as `delta`.
BOTH = {
    (rule, task): 0.5
    for rule in ("momentum", "decay")
    for task in ("in-context-recall", "memorization")
}


def test_a_training_counts_once_though_the_rule_it_is_identical_to_is_not_there(made):
    results = made(BOTH)
    momentum, decay = costs(Study.of(results))
    assert (momentum.trials, decay.trials) == (2, 1)
    assert momentum.seconds + decay.seconds == pytest.approx(3 * 0.5)
    assert results.trials["trial"].nunique() == 3


def test_where_delta_is_in_the_table_it_carries_what_is_identical_to_it(made):
    results = made({**BOTH, ("delta", "in-context-recall"): 0.5, ("delta", "memorization"): 0.5})
    assert {cost.rule: cost.trials for cost in costs(Study.of(results))} == {
        "momentum": 1,
        "decay": 1,
        "delta": 2,
    }
    assert list(trained(results.trials)["rule"]) == ["momentum", "decay", "delta", "delta"]


def test_a_table_of_nothing_but_trainings_identical_to_another_s_is_reported(made, tmp_path):
    results = made({("momentum", "memorization"): 0.5})
    write_results(results, tmp_path)
    assert (tmp_path / "report.md").is_file()
    (cost,) = costs(Study.load(tmp_path))
    assert (cost.trials, cost.per_step) == (1, pytest.approx(125.0))
