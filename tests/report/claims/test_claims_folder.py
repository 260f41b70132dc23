"""What a result folder adds to what can be checked: knobs, where they ended, and time."""

from pathlib import Path

import pandas as pd
import pytest

from archer.report.claims import Details, verify, verify_file
from archer.report.claims.details import from_cells, from_trials

DATA = Path(__file__).parent / "data"
TABLE = pd.read_csv(DATA / "nine.csv")
STEPS = pd.DataFrame(
    [("delta", "a", 10.0, 100), ("adam", "a", 17.0, 100), ("momentum", "a", 12.0, 100)],
    columns=["row", "setting", "seconds", "steps"],
)
FOLDER = Details(
    knobs={("momentum", "mu"): (0.7, 0.9), ("adam", "mu1"): (0.9,), ("adam", "eps"): (1e-8,)},
    learned={("momentum", "mu"): (0.8312, 0.84)},
    steps=STEPS,
)


def statuses(text, details=FOLDER):
    return [v.status for v in verify(text, TABLE, details=details)]


@pytest.mark.parametrize(
    ("true", "false"),
    [
        ("momentum was run with mu = 0.9.", "momentum was run with mu = 0.95."),
        ("With mu1 = 0.9, adam was tried.", "With mu1 = 0.8, adam was tried."),
        ("With eps = 1e-8, adam was tried.", "With eps = 1e-6, adam was tried."),
        ("The learned mu ends at 0.83.", "The learned mu ends at 0.73."),
        ("momentum's μ ends at 0.84.", "momentum's μ ends at 0.9."),
        ("adam takes 1.7 times as long as delta.", "adam takes 2.1 times as long as delta."),
        ("adam is 1.7x slower than delta.", "adam is 1.2x slower than delta."),
        ("momentum is 20 % slower than delta.", "momentum is 40 % slower than delta."),
        ("adam is slower than momentum.", "momentum trains slower than adam."),
        ("delta is cheaper to train than adam.", "adam is faster than delta."),
        ("adam took about 17 seconds.", "adam took about 27 seconds."),
        ("adam takes 170 ms per step.", "adam takes 120 ms per step."),
    ],
)
def test_knobs_and_times_are_held_against_the_trials(true, false):
    assert statuses(true) == ["confirmed"]
    assert statuses(false) == ["refuted"]
    assert set(statuses(true, Details())) <= {"unchecked"}


def test_a_score_beside_a_knob_is_still_checked():
    assert statuses("momentum with mu=0.9 reaches 0.387 on Memorize.") == ["confirmed"] * 2
    assert statuses("momentum with mu=0.9 reaches 0.487 on Memorize.") == ["confirmed", "refuted"]
    text = "adam needs about 1.7 times the time of delta and loses 29.7 points on Noisy Recall."
    assert statuses(text) == ["confirmed"] * 2


SEEDS = pd.DataFrame(
    [("delta", "Memorize", i, x) for i, x in enumerate((0.40, 0.42, 0.4457))]
    + [("decay", "Memorize", i, x) for i, x in enumerate((0.38, 0.39, 0.4012))],
    columns=["row", "column", "seed", "score"],
)
# deltas: sd 0.0229, interval 0.365 to 0.479; decay: sd 0.0106


@pytest.mark.parametrize(
    ("true", "false"),
    [
        (
            "delta scores 0.422 ± 0.023 (sd) on Memorize.",
            "delta scores 0.422 ± 0.043 (sd) on Memorize.",
        ),
        ("delta scores 0.422 ± 0.023 on Memorize.", "delta scores 0.422 ± 0.043 on Memorize."),
        (
            "delta scores 0.422 on Memorize with a standard deviation of 0.023 over seeds.",
            "delta scores 0.422 on Memorize with a standard deviation of 0.043 over seeds.",
        ),
        ("The std of decay on Memorize is 0.011.", "The std of decay on Memorize is 0.023."),
        (
            "On Memorize delta's 95 % interval is 0.365 to 0.479.",
            "On Memorize delta's 95 % interval is 0.265 to 0.479.",
        ),
        (
            "On Memorize delta has 0.422 (95 % CI [0.365, 0.479]).",
            "delta: 95 % CI [0.365, 0.579] on Memorize.",
        ),
        (
            "## Memorize\n\n| | accuracy | sd |\n|---|---|---|\n| decay | 0.390 | 0.0106 |",
            "## Memorize\n\n| | accuracy | sd |\n|---|---|---|\n| decay | 0.390 | 0.0206 |",
        ),
    ],
)
def test_deviations_and_intervals_are_held_against_the_seeds(true, false):
    details = Details(seed_scores=SEEDS)
    assert set(statuses(true, details)) == {"confirmed"}
    assert "refuted" in statuses(false, details)
    assert "refuted" not in statuses(false, Details())


def test_deviations_and_intervals_of_a_folder_without_trials(tmp_path):
    cells = {"row": ["delta"], "column": ["Memorize"], "sd": [0.02], "low": [0.38], "high": [0.46]}
    pd.DataFrame(cells).to_csv(tmp_path / "cells.csv", index=False)
    TABLE.to_csv(tmp_path / "results.csv", index=False)
    (tmp_path / "report.md").write_text(
        "delta's deviation on Memorize is 0.02.\n\n"
        "The 95 % interval of delta on Memorize is 0.38 to 0.48."
    )
    found = verify_file(tmp_path / "report.md", tmp_path)
    assert [(v.status, v.actual) for v in found] == [("confirmed", 0.02), ("refuted", 0.46)]


def test_the_interval_of_a_difference_is_not_that_of_a_score():
    details = Details(seed_scores=SEEDS)
    text = "The 95 % interval of decay's difference to delta on Memorize is 0.01 to 0.03."
    assert "refuted" not in statuses(text, details)
    text = "The std of delta on Memorize is 0.023, that of decay 0.011."
    assert "refuted" not in statuses(text, details)


def test_the_learning_rate_of_the_training_is_no_knob():
    details = Details(knobs={("adam", "lr"): (1.0,)})
    assert statuses("The learning rate was lr = 0.001 for adam.", details) == []
    assert statuses("It was run with adam.lr = 0.5.", details) == ["refuted"]


def test_details_come_from_trials():
    rows = [
        {
            "rule": rule,
            "row": row,
            "task": "memorization",
            "setting": "memorization",
            "seed": 0,
            "lr": lr,
            "weight_decay": 0.0,
            "status": "finished",
            "test_accuracy": score,
            "validation_accuracy": score,
            "validation_perplexity": 1.0,
            "protocol": "strict",
            "identical_to": None,
            "seconds": seconds,
            "steps": 10,
            "knob.mu": mu,
            "learned.mu": ended,
        }
        for rule, row, lr, score, seconds, mu, ended in (
            ("delta", "delta_row", 1e-3, 0.5, 2.0, None, None),
            ("momentum", "momentum_row", 1e-3, 0.6, 5.0, 0.9, 0.8),
            ("momentum", "momentum_row", 1e-2, 0.4, 5.0, 0.9, 0.6),
        )
    ]
    details = from_trials(pd.DataFrame(rows))
    assert details.knobs == {("momentum_row", "mu"): (0.9,)}
    assert details.learned["momentum_row", "mu"] == pytest.approx((0.7, 0.8))  # all, selected
    assert details.time_ratios("momentum_row", "delta_row") == pytest.approx((2.5, 2.5, 5.0))
    assert details.times("momentum_row") == pytest.approx({"all": 10.0, "trial": 5.0, "step": 0.5})


@pytest.mark.parametrize("record", ["core-nine-rules", "core-search-best"])
def test_what_bench_prints_behind_plus_minus_is_no_false_spread(record):
    """Half of the interval, also of the average; where it was cut at 1, to its farther end."""
    folder = next((Path(__file__).parents[3] / "records").glob(f"*-{record}"))
    cells = pd.read_csv(folder / "cells.csv")
    table = pd.read_csv(folder / "results.csv", index_col=0)
    details = Details(cells=from_cells(cells))
    ends = pd.concat([cells["high"] - cells["mean"], cells["mean"] - cells["low"]], axis=1)
    half = ends.max(axis=1)
    for wrong, expected in ((0.0, "confirmed"), (0.03, "refuted")):
        lines = [
            f"{row} scores {mean:.3f} ± {x + wrong:.3f} on {column}."
            for row, column, mean, x in zip(
                cells["row"], cells["column"], cells["mean"], half, strict=True
            )
        ]
        found = {v.status for v in verify("\n\n".join(lines), table, details=details)}
        assert found == {expected}


def test_how_a_test_ranks_what_has_no_score_gives_nobody_a_place():
    convention = "(one-sided Mann-Whitney; {} ranks last)."
    text = f"A candidate of the search ranks above one of the control: p = 0.0008 {convention}"
    assert statuses(text.format("without a score")) == ["unchecked"]
    assert "confirmed" in statuses(text.format("adam"))


def test_commands_state_nothing():
    commands = "    archer sweep momentum --set momentum.mu=0.7\n      --set momentum.mu=0.95"
    assert statuses(f"{commands}\n\nmomentum was run with mu = 0.95.") == ["refuted"]
    assert statuses("archer sweep momentum --set momentum.mu=0.95") == []
    assert statuses("archer tried momentum.\nmomentum was run with mu = 0.95.") == ["refuted"]
