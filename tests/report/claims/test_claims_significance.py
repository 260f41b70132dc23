"""The word "significant", held against paired seeds."""

import pandas as pd
import pytest

from archer.report.claims import Details, verify

SCORES = {
    "delta": (0.416, 0.489, 0.390, 0.516, 0.610, 0.605, 0.457, 0.498),
    "momentum": (0.287, 0.194, 0.283, 0.261, 0.361, 0.280, 0.325, 0.316),  # p = 0.0002 to delta
    "adam": (0.459, 0.451, 0.556, 0.612, 0.355, 0.636, 0.237, 0.381),  # p = 0.51
    "decay": (0.436, 0.496, 0.425, 0.514, 0.628, 0.598, 0.502, 0.511),  # p = 0.036, of three 0.072
}
SEEDS = pd.DataFrame(
    [(r, "Fuzzy Recall", s, x) for r, xs in SCORES.items() for s, x in enumerate(xs)],
    columns=["row", "column", "seed", "score"],
)
TABLE = pd.DataFrame({"Fuzzy Recall": {r: sum(xs) / len(xs) for r, xs in SCORES.items()}})
DETAILS = Details(seed_scores=SEEDS)


def found(text, details=DETAILS):
    return {(v.status, v.stated) for v in verify(text, TABLE, details=details)}


@pytest.mark.parametrize(
    "said",
    [
        "{} is significantly worse than delta on Fuzzy Recall.",
        "{} significantly hurts Fuzzy Recall.",
        "{} trails delta significantly.",
        "{} trails delta on Fuzzy Recall, a statistically significant loss.",
        "{}'s deficit to delta is significant.",
    ],
)
def test_a_difference_that_is_called_significant(said):
    assert ("confirmed", "significant") in found(said.format("momentum"))
    assert ("refuted", "significant") in found(said.format("adam"))
    assert found(said.format("momentum"), Details()) <= {("unchecked", None), ("confirmed", None)}


@pytest.mark.parametrize(
    "said",
    [
        "The difference between {} and delta is not significant.",
        "The difference between {} and delta on Fuzzy Recall is statistically insignificant.",
        "{} does not differ significantly from delta.",
        "There is no significant difference between delta and {}.",
        "{} trails delta, but the gap is not statistically significant.",
    ],
)
def test_a_difference_that_is_called_none(said):
    assert ("confirmed", "not significant") in found(said.format("adam"))
    assert ("refuted", "not significant") in found(said.format("momentum"))


@pytest.mark.parametrize("verb", ["significantly outperforms", "is significantly better than"])
def test_a_significant_difference_the_other_way_is_none(verb):
    statuses = [v.status for v in verify(f"momentum {verb} delta.", TABLE, details=DETAILS)]
    assert statuses == ["refuted"]


def test_not_significantly_better_may_be_worse():
    assert "refuted" not in {
        s for s, _ in found("momentum is not significantly better than delta.")
    }
    assert ("confirmed", "not significant") in found("adam is not significantly better than delta.")


@pytest.mark.parametrize("no", ["", "not "])
def test_what_rests_on_the_correction_is_left_open(no):
    text = f"The difference between decay and delta is {no}significant."
    (verdict,) = verify(text, TABLE, details=DETAILS)
    assert verdict.status == "unchecked"
    assert verdict.note == "p = 0.036 alone, 0.072 after correction"


@pytest.mark.parametrize(
    "text",
    [
        "adam is almost significantly worse than delta.",
        "adam may be significantly worse than delta.",
        "After correction adam is significantly worse than delta.",
        "adam keeps a significant part of delta's score.",
        "adam significantly reduces training time over delta.",
        "adam has significantly more parameters than delta.",
        "adam is significantly worse than delta and momentum.",
        "adam is significantly worse than the best rule.",
    ],
)
def test_other_uses_of_the_word_are_left_alone(text):
    assert not {stated for _, stated in found(text)} & {"significant", "not significant"}
    assert "refuted" not in {status for status, _ in found(text)}
