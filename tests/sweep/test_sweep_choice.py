"""The choice: on validation data, whatever the test data say. Tables with known answers."""

import itertools
import math

import pandas as pd
import pytest

from archer.sweeps.choose import (
    DEFAULT_CHOSEN,
    NO_EFFECT,
    NOT_TOLD,
    chosen_points,
    point_curves,
    seed_scores,
    selected_frame,
    without_effect,
)

NAN = math.nan
TASK = "in-context-recall"


def table(cells, *, task=TASK, seeds=3, shared=False):
    """cells: {(point, lr): (validation, test)}; seeds differ by a thousandth."""
    rows = []
    for ((point, lr), (validation, test)), seed in itertools.product(cells.items(), range(seeds)):
        rows.append(
            {
                "rule": "momentum",
                "point": point,
                "task": task,
                "setting": task,
                "seed": seed,
                "lr": lr,
                "weight_decay": 0.0,
                "validation_accuracy": validation + seed / 1000,
                "validation_perplexity": 2.0,
                "test_accuracy": test + (0.004 if seed == 1 and point == "mu=0.8" else 0.0),
                "trial": f"{seed}" if shared else f"{point} {lr} {seed}",
            }
        )
    return pd.DataFrame(rows)


# Test data would choose mu=0.7, and within mu=0.8 the smaller lr.
CELLS = {
    ("mu=0.7", 1e-3): (0.50, 0.99),
    ("mu=0.8", 1e-4): (0.40, 0.95),
    ("mu=0.8", 1e-3): (0.70, 0.60),
    ("mu=0.9", 1e-3): (0.60, 0.30),
}


def chosen_of(trials, asked=("mu=0.7", "mu=0.8", "mu=0.9"), default="mu=0.9"):
    return chosen_points(point_curves(seed_scores(trials)), asked, default)


def test_validation_chooses_where_test_would_choose_otherwise():
    trials = table(CELLS)
    assert chosen_of(trials) == {TASK: "mu=0.8"}
    (row,) = selected_frame(trials, {TASK: "mu=0.8"}, "mu=0.9").to_dict("records")
    assert row["validation_accuracy"] == pytest.approx(0.701)
    assert row["test_accuracy"] == pytest.approx(0.60 + 0.004 / 3)
    assert row["default_test_accuracy"] == pytest.approx(0.30)
    assert row["difference"] == pytest.approx(0.30 + 0.004 / 3)
    assert row["verdict"] == "different"


def test_the_curve_is_mean_and_spread_over_seeds_at_each_points_own_best_lr():
    curves = point_curves(seed_scores(table(CELLS))).set_index("point")
    assert curves["mean"].to_dict() == pytest.approx(
        {"mu=0.7": 0.501, "mu=0.8": 0.701, "mu=0.9": 0.601}
    )
    assert curves["sd"].to_numpy() == pytest.approx(0.001)
    assert set(curves["n"]) == {3}


def test_a_point_with_a_seed_without_a_score_cannot_be_chosen():
    trials = table(CELLS)
    lost = (trials["point"] == "mu=0.8") & (trials["seed"] == 2)
    trials.loc[lost, ["validation_accuracy", "test_accuracy"]] = NAN
    assert chosen_of(trials) == {TASK: "mu=0.9"}


def test_a_tie_goes_to_the_default_then_to_the_earlier_point():
    trials = table({(f"mu={mu}", 1e-3): (1.0, mu) for mu in (0.7, 0.8, 0.9)})
    assert chosen_of(trials) == {TASK: "mu=0.9"}
    assert chosen_of(trials, default="mu=0.5") == {TASK: "mu=0.7"}


def test_a_default_that_was_not_asked_for_is_never_chosen():
    trials = table({("mu=0.7", 1e-3): (0.5, 0.5), ("mu=0.9", 1e-3): (0.9, 0.9)})
    assert chosen_of(trials, asked=("mu=0.7",)) == {TASK: "mu=0.7"}


def test_a_difference_smaller_than_the_seeds_noise_is_not_one():
    trials = table({("mu=0.8", 1e-3): (0.7, 0.60), ("mu=0.9", 1e-3): (0.6, 0.50)})
    noisy = (trials["point"] == "mu=0.8") & (trials["seed"] == 0)
    trials.loc[noisy, "test_accuracy"] = 0.2
    (row,) = selected_frame(trials, {TASK: "mu=0.8"}, "mu=0.9").to_dict("records")
    assert row["verdict"] == "cannot tell"
    assert row["low"] < 0 < row["high"]


def test_what_one_seed_cannot_tell_is_said():
    trials = table(CELLS, seeds=1)
    (row,) = selected_frame(trials, {TASK: "mu=0.8"}, "mu=0.9").to_dict("records")
    assert row["verdict"] == NOT_TOLD
    assert row["difference"] == pytest.approx(0.30)
    (row,) = selected_frame(trials, {TASK: "mu=0.9"}, "mu=0.9").to_dict("records")
    assert (row["verdict"], row["difference"]) == (DEFAULT_CHOSEN, 0.0)


def test_a_task_on_which_all_points_are_one_training_is_marked():
    same = {(f"mu={mu}", 1e-3): (0.4, 0.4) for mu in (0.7, 0.9)}
    trials = pd.concat([table(same, task="memorization", shared=True), table(CELLS)])
    assert without_effect(trials) == {"memorization"}
    frame = selected_frame(trials, {"memorization": "mu=0.9", TASK: "mu=0.8"}, "mu=0.9")
    assert frame["task"].tolist() == [TASK, "memorization"]
    assert frame["verdict"].tolist() == ["different", NO_EFFECT]


def test_settings_of_a_task_are_averaged_within_a_seed():
    easy, hard = table(CELLS), table({key: (v - 0.2, t) for key, (v, t) in CELLS.items()})
    both = pd.concat([easy, hard.assign(setting="harder")])
    scores = seed_scores(both).set_index(["point", "seed"])["validation_accuracy"]
    assert scores["mu=0.8", 0] == pytest.approx(0.6)
