"""Intervals of differences, and p, held against the seeds."""

import pandas as pd
import pytest

from archer.report.claims import Details, verify

SCORES = {
    "delta": (0.792, 0.750, 0.798),
    "adam_softmax": (0.870, 0.803, 0.860),
    "attention": (0.761, 0.755, 0.746),
}
SEEDS = pd.DataFrame(
    [(r, "Compress", s, x) for r, xs in SCORES.items() for s, x in enumerate(xs)],
    columns=["row", "column", "seed", "score"],
)
TABLE = pd.DataFrame({"Compress": {r: sum(xs) / 3 for r, xs in SCORES.items()}})
DETAILS = Details(seed_scores=SEEDS)
# adam_softmax - delta: 0.078, 0.053, 0.062: 0.0327 to 0.0959, p = 0.0127, by Holm 0.025


def statuses(text, details=DETAILS):
    return [v.status for v in verify(text, TABLE, details=details)]


@pytest.mark.parametrize(
    ("true", "false"),
    [
        ("(p = 0.013)", ["(p = 0.003)", "(p < 0.01)", "(p = 1e-3)"]),
        ("(p = 0.025)", ["(p = 0.005)"]),
        ("(p < 0.05)", ["(p < 0.001)"]),
        ("(95 % interval 0.033 to 0.096)", ["(95 % interval 0.053 to 0.096)"]),
        ("(95 % CI 0.033 to 0.096)", ["(95 % CI 0.033 to 0.086)"]),
    ],
)
def test_p_and_intervals_of_a_difference(true, false):
    text = "adam_softmax beats delta on Compress {}."
    assert statuses(text.format(true)) == ["confirmed"] * 2
    for wrong in false:
        assert "refuted" in statuses(text.format(wrong))
        assert "refuted" not in statuses(text.format(wrong), Details())


@pytest.mark.parametrize("p", ["p = 0.04", "p = 0.7", "p = 0.25 by the sign-flip test"])
def test_a_larger_p_may_be_corrected_for_more_or_be_of_another_test(p):
    assert "refuted" not in statuses(f"adam_softmax beats delta on Compress ({p}).")


def test_the_interval_of_a_score_stays_one():
    assert statuses("delta's 95 % interval on Compress is 0.715 to 0.845.") == ["confirmed"]
    assert statuses("delta's 95 % interval on Compress is 0.715 to 0.895.") == ["refuted"]
