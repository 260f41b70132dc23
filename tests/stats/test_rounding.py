"""Differences that are one number but for rounding: nothing to test with, and nothing certain."""

import numpy as np
import pandas as pd
import pytest

from archer.stats import compare, equivalence_p, mean_interval

GAPS = np.array([0.3, 0.3, 0.1 + 0.2])  # 0.3, but for the last bit


def scores(gaps: np.ndarray) -> pd.DataFrame:
    rows = []
    for rule, extra in (("delta", np.zeros(3)), ("other", gaps)):
        for seed, gap in enumerate(extra):
            rows.append({"rule": rule, "seed": seed, "accuracy": 0.4 + gap})
    return pd.DataFrame(rows).assign(
        row=lambda f: f["rule"], task="memorization", column="Memorize", setting="memorization"
    )


def test_the_gaps_are_not_one_number():
    assert 0 < np.ptp(GAPS) < 1e-15


def test_a_constant_gap_is_counted_by_its_seeds():
    (found,) = compare(scores(GAPS)).to_dict("records")
    assert found["p"] == 0.25  # the sign-flip test's least with three seeds
    assert found["verdict"] == "cannot tell"
    assert np.isnan(found["effect"])


def test_no_gap_is_no_difference_and_three_seeds_of_it_no_equivalence():
    (found,) = compare(scores(GAPS - 0.3)).to_dict("records")
    assert found["p"] == 1.0
    assert found["p_equivalent"] == 0.125
    assert found["verdict"] == "cannot tell"


def test_interval_and_equivalence():
    assert (mean_interval(GAPS).sd, equivalence_p(GAPS)) == (0, 1)
    assert equivalence_p(GAPS - 0.3) == 0.125
    assert mean_interval(GAPS).low == pytest.approx(0.3)
