"""Selection on the grid and the way from trials to the table, on frames made by hand."""

import math

import pandas as pd
import pytest

from archer.mad.scoring import select, table, task_scores
from archer.mad.settings import TASKS

NAN = math.nan


def grid(*points: tuple[float, float, float], **where: object) -> pd.DataFrame:
    """Trials of one setting from (validation accuracy, validation perplexity, test accuracy)."""
    base = {"rule": "delta", "task": "compression", "setting": "compression", "seed": 0}
    rows = [
        base
        | {
            "lr": float(index),
            "weight_decay": 0.0,
            "validation_accuracy": validation,
            "validation_perplexity": perplexity,
            "test_accuracy": test,
        }
        | where
        for index, (validation, perplexity, test) in enumerate(points)
    ]
    return pd.DataFrame(rows)


def test_strict_takes_the_test_accuracy_of_the_best_validation_accuracy():
    trials = grid((0.5, 2.0, 0.9), (0.7, 3.0, 0.4), (0.6, 1.0, 0.8))
    assert select(trials, "strict")["accuracy"].tolist() == [0.4]


def test_mad_lab_takes_the_best_test_accuracy():
    trials = grid((0.5, 2.0, 0.9), (0.7, 3.0, 0.4), (0.6, 1.0, 0.8))
    assert select(trials, "mad-lab")["accuracy"].tolist() == [0.9]


@pytest.mark.parametrize("protocol", ["strict", "mad-lab"])
def test_nan_is_never_chosen_while_a_number_is_there(protocol):
    trials = grid((NAN, NAN, NAN), (0.1, 9.0, 0.2), (NAN, NAN, NAN))
    chosen = select(trials, protocol)
    assert chosen["accuracy"].tolist() == [0.2]
    assert chosen["lr"].tolist() == [1.0]


@pytest.mark.parametrize("protocol", ["strict", "mad-lab"])
def test_a_setting_that_is_all_nan_has_one_row_without_a_score(protocol):
    chosen = select(grid((NAN, NAN, NAN), (NAN, NAN, NAN)), protocol)
    assert len(chosen) == 1
    assert chosen["accuracy"].isna().all()


def test_ties_go_to_the_lower_perplexity_then_to_the_earlier_point():
    trials = grid((0.7, 3.0, 0.1), (0.7, 2.0, 0.2), (0.7, 2.0, 0.3))
    assert select(trials, "strict")["accuracy"].tolist() == [0.2]
    trials = grid((0.1, 3.0, 0.4), (0.7, 2.0, 0.4))
    assert select(trials, "mad-lab")["lr"].tolist() == [0.0]


def test_rules_settings_and_seeds_are_selected_apart():
    trials = pd.concat(
        [
            grid((0.1, 1.0, 0.1), (0.2, 1.0, 0.2)),
            grid((0.4, 1.0, 0.4), (0.3, 1.0, 0.3), seed=1),
            grid((0.5, 1.0, 0.5), setting="compression/vocab_size=32"),
            grid((0.6, 1.0, 0.6), rule="momentum"),
        ],
        ignore_index=True,
    )
    assert select(trials, "strict")["accuracy"].tolist() == [0.2, 0.4, 0.5, 0.6]


def test_a_task_scores_the_mean_of_its_settings_or_nothing():
    trials = pd.concat(
        [
            grid((0.2, 1.0, 0.2)),
            grid((0.4, 1.0, 0.4), setting="compression/vocab_size=32"),
            grid((0.4, 1.0, 0.4), seed=1),
            grid((NAN, NAN, NAN), seed=1, setting="compression/vocab_size=32"),
        ],
        ignore_index=True,
    )
    scores = task_scores(select(trials, "strict"))
    assert scores["seed"].tolist() == [0, 1]
    assert scores["accuracy"][0] == pytest.approx(0.3)
    assert math.isnan(scores["accuracy"][1])


def scores(values: dict[tuple[str, str, int], float]) -> pd.DataFrame:
    rows = [(*key, value) for key, value in values.items()]
    return pd.DataFrame(rows, columns=["rule", "task", "seed", "accuracy"])


def test_the_table_keeps_the_order_of_rules_and_that_of_the_published_columns():
    values = {
        (rule, task, 0): (index + 1) * 0.1
        for rule in ("momentum", "delta", "my_rule")
        for index, task in reversed(list(enumerate(TASKS)))
    }
    found = table(scores(values))
    assert found.index.tolist() == [
        "delta_net_4layer_momentum_state_update_in_for_loop",
        "delta_net_4layer",
        "my_rule",
    ]
    assert found.columns.tolist() == [
        "Compress",
        "Context Recall",
        "Fuzzy Recall",
        "Memorize",
        "Noisy Recall",
        "Selective Copy",
        "Average",
    ]
    assert found.iloc[0].tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.35])


def test_the_average_needs_all_six_tasks_and_a_score_in_each():
    five = {("delta", task, 0): 0.5 for task in TASKS[:5]}
    assert "Average" not in table(scores(five)).columns
    found = table(scores(five | {("delta", TASKS[5], 0): NAN}))
    assert math.isnan(found.loc["delta_net_4layer", "Average"])
    assert found.loc["delta_net_4layer", "Compress"] == 0.5


def test_cells_are_means_over_seeds_and_a_lost_seed_is_not_passed_over():
    values = {
        ("delta", "compression", 0): 0.2,
        ("delta", "compression", 1): 0.4,
        ("momentum", "compression", 0): 0.9,
        ("momentum", "compression", 1): NAN,
    }
    found = table(scores(values))["Compress"]
    assert found.iloc[0] == pytest.approx(0.3)
    assert math.isnan(found.iloc[1])
