"""What stood beside a true statement and was not read, or was read as another."""

import pandas as pd
import pytest

from archer.report.claims import verify

ROWS = {
    "delta": (0.77997, 0.432, 0.9992),
    "gated_delta": (0.834, 0.437, 0.9993),
    "attention": (0.754, 0.677, 0.9920),
    "adam": (0.77997, 0.489, 0.9954),
    "error_gated": (0.77997, 0.492, 0.9978),
    "momentum": (0.77997, 0.255, 0.9965),
}
TABLE = pd.DataFrame(ROWS, index=["Compress", "Fuzzy Recall", "Selective Copy"]).T


def statuses(text):
    return {v.status for v in verify(text, TABLE)}


@pytest.mark.parametrize(
    ("true", "false"),
    [
        ("attention is best on Fuzzy Recall, followed by error_gated.", ("error_gated", "adam")),
        (
            "On Fuzzy Recall attention is best, followed by error_gated and adam.",
            ("error_gated and adam", "adam and error_gated"),
        ),
        ("On Fuzzy Recall attention is best, then error_gated.", ("error_gated", "adam")),
        (
            "momentum is worst on Fuzzy Recall, closely followed by delta.",
            ("by delta", "by gated_delta"),
        ),
        ("delta's second lowest score is 0.780, on Compress.", ("second lowest", "lowest")),
        ("delta's lowest score is 0.432, on Fuzzy Recall.", ("lowest", "second lowest")),
        ("attention's second best score is 0.754, on Compress.", ("second best", "best")),
        ("error_gated and adam differ by 0.003 on Fuzzy Recall.", ("0.003", "0.013")),
        ("error_gated and adam are within 0.01 of each other on Fuzzy Recall.", ("0.01", "0.002")),
        (
            "attention is 0.245 above delta and 0.422 above momentum on Fuzzy Recall.",
            ("0.422", "0.322"),
        ),
        (
            "attention is 0.245 better than delta and 0.185 better than error_gated on Fuzzy "
            "Recall.",
            ("0.185", "0.285"),
        ),
        (
            "The ranking on Fuzzy Recall is momentum < delta < attention.",
            ("delta < attention", "attention < delta"),
        ),
        (
            "Order on Fuzzy Recall: momentum < delta < attention.",
            ("momentum < delta", "adam < delta"),
        ),
        ("On Compress delta equals adam, on Fuzzy Recall it is worse.", ("worse", "better")),
        ("On Fuzzy Recall delta is worse than adam, on Compress as good.", ("worse", "better")),
    ],
)
def test_all_of_a_sentence_is_judged(true, false):
    assert statuses(true) == {"confirmed"}
    assert "refuted" in statuses(true.replace(*false))


@pytest.mark.parametrize("then", [" and then", ", then", ", and then"])
def test_who_is_ahead_of_whom_and_then_of_whom_is_an_order(then):
    said = "On Fuzzy Recall attention is best, ahead of {}{} {}."
    assert statuses(said.format("error_gated", then, "adam")) == {"confirmed"}
    for wrong in (("adam", then, "error_gated"), ("delta", then, "adam")):
        assert statuses(said.format(*wrong)) - {"confirmed"}, "it is not all confirmed"


def test_a_lead_over_the_second_best_is_not_one_over_the_baseline():
    assert "confirmed" not in statuses(
        "attention's advantage on Fuzzy Recall is 0.245 over the second best rule."
    )
    assert "confirmed" in statuses("attention's advantage on Fuzzy Recall is 0.245 over delta.")


def test_on_the_bound_as_far_as_digits_say_is_not_beyond_it():
    """delta and three others have 0.77997, which stands as 0.780."""
    assert "refuted" not in statuses("Only attention falls below 0.78 on Compress.")
    assert "refuted" in statuses("Only attention falls below 0.79 on Compress.")
    assert "refuted" in statuses("Only gated_delta falls below 0.78 on Compress.")
