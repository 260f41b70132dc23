import numpy as np
import pandas as pd
import pytest
from scipy import stats

from archer.errors import ArcherError
from archer.stats import compare, equivalence_p, paired_differences, seeds_needed, smallest_p


def tidy(scores, settings=("s",)):
    """scores: rule -> one number per seed; every setting gets the same number."""
    rows = [
        (rule, rule, "t", "T", setting, seed, value)
        for rule, values in scores.items()
        for seed, value in enumerate(values)
        for setting in settings
    ]
    return pd.DataFrame(
        rows, columns=["rule", "row", "task", "column", "setting", "seed", "accuracy"]
    )


def only(table, rule):
    return table[table["rule"] == rule].iloc[0]


def test_paired_t_test_and_holm_by_hand():
    base = np.array([0.50, 0.52, 0.48, 0.51, 0.49, 0.50])
    up = base + np.array([0.10, 0.11, 0.09, 0.10, 0.10, 0.10])
    noisy = base + np.array([0.05, -0.05, 0.02, -0.01, 0.06, 0.01])
    table = compare(tidy({"delta": base, "up": up, "noisy": noisy}))
    first, second = only(table, "up"), only(table, "noisy")
    assert first["p"] == pytest.approx(stats.ttest_rel(up, base).pvalue)
    assert second["p"] == pytest.approx(stats.ttest_rel(noisy, base).pvalue)
    assert first["p_holm"] == pytest.approx(2 * first["p"])  # the smaller of two: times two
    assert second["p_holm"] == pytest.approx(second["p"])
    assert first["difference"] == pytest.approx(0.1)
    assert first["effect"] == pytest.approx(0.1 / np.std(up - base, ddof=1))
    ends = stats.ttest_1samp(up - base, 0).confidence_interval(0.95)
    assert (first["low"], first["high"]) == (pytest.approx(ends.low), pytest.approx(ends.high))
    assert (first["verdict"], second["verdict"]) == ("different", "cannot tell")
    assert pd.isna(first["seeds_needed"])
    assert second["seeds_needed"] > 6


def test_family_is_the_task():
    base = [0.5, 0.6, 0.4, 0.5]
    one = tidy({"delta": base, "a": [0.6, 0.72, 0.49, 0.6]})
    two = one.assign(task="u", column="U")
    table = compare(pd.concat([one, two]))
    assert (table["p_holm"] == table["p"]).all(), "one rule per task: nothing to correct"


def test_equivalence_is_two_one_sided_t_tests():
    d = np.array([0.001, -0.002, 0.0005, 0.001, -0.001])
    worse = max(
        stats.ttest_1samp(d, -0.01, alternative="greater").pvalue,
        stats.ttest_1samp(d, 0.01, alternative="less").pvalue,
    )
    assert equivalence_p(d) == pytest.approx(worse)
    base = np.array([0.5, 0.6, 0.4, 0.5, 0.55])
    assert only(compare(tidy({"delta": base, "a": base + d})), "a")["verdict"] == "equivalent"


def test_pairs_use_only_common_seeds_and_settings():
    rule = tidy({"a": [0.6, 0.7, 0.9]}, settings=("x", "y"))
    base = tidy({"delta": [0.5, 0.5]}, settings=("x", "z"))
    pairs = paired_differences(rule, base)
    assert pairs.differences == pytest.approx([0.1, 0.2])
    assert pairs.settings == 1


def test_a_setting_missing_at_one_common_seed_is_dropped_at_all():
    rule = tidy({"a": [0.6, 0.7]}, settings=("x", "y"))
    rule = rule[~((rule["seed"] == 1) & (rule["setting"] == "y"))]
    base = tidy({"delta": [0.5, 0.5]}, settings=("x", "y"))
    base.loc[base["setting"] == "y", "accuracy"] = 0.0
    assert paired_differences(rule, base).differences == pytest.approx([0.1, 0.2])


def test_one_seed_never_claims_significance():
    row = only(compare(tidy({"delta": [0.1], "a": [0.9]})), "a")
    assert row["verdict"] == "one seed"
    assert np.isnan([row["p"], row["p_holm"], row["p_equivalent"], row["low"]]).all()
    assert row["statement"].startswith("one seed")


def test_two_seeds_get_a_statement_instead_of_a_p_value():
    row = only(compare(tidy({"delta": [0.1, 0.1], "a": [0.90, 0.91]})), "a")
    assert row["verdict"] == "cannot tell"
    assert np.isnan(row["p"])
    assert "p = 0.5" in row["statement"]


def test_statement_names_the_floor_of_the_sign_flip_test():
    scores = {"delta": [0.1, 0.2, 0.15], "a": [0.5, 0.61, 0.55]}
    assert "p = 0.25" in only(compare(tidy(scores)), "a")["statement"]
    d = np.array([0.4, 0.41, 0.4])
    exact = stats.permutation_test(
        (d,), np.mean, permutation_type="samples", alternative="two-sided"
    )
    assert exact.pvalue == smallest_p(3) == 0.25
    six = {"delta": [0.1] * 6, "a": [0.2, 0.21, 0.2, 0.22, 0.2, 0.19]}
    assert only(compare(tidy(six)), "a")["statement"] is None


def test_identical_by_construction_is_said_and_not_tested():
    scores = tidy({"delta": [0.1, 0.2, 0.3], "a": [0.4, 0.5, 0.7]})
    scores["identical"] = scores["rule"] == "a"
    row = only(compare(scores), "a")
    assert row["verdict"] == "identical by construction"
    assert np.isnan(row["p"])


def test_equal_scores_are_equivalent_from_five_seeds_on():
    """No spread is left for a t test; the one-sided sign-flip test's least p is 1 / 2**n."""
    for n, verdict in ((3, "cannot tell"), (4, "cannot tell"), (5, "equivalent")):
        row = only(compare(tidy({"delta": [1.0] * n, "a": [1.0] * n})), "a")
        assert (row["verdict"], row["p"], row["difference"]) == (verdict, 1.0, 0.0)
        assert row["p_equivalent"] == 0.5**n
        if n < 5:
            said = row["statement"]
            assert said.startswith(f"{n} seeds, equal on each: without spread only the sign-flip")
            assert said.endswith(f"p = {0.5**n:.3g}")
            assert row["seeds_needed"] == 5
        else:
            assert row["statement"] is None
            assert pd.isna(row["seeds_needed"])


def test_equal_scores_of_many_rules_need_more_seeds():
    rules = {name: [1.0] * 5 for name in ("delta", "a", "b", "c", "d")}
    row = only(compare(tidy(rules)), "a")
    assert (row["verdict"], row["seeds_needed"]) == ("cannot tell", 7)  # 4 / 2**7 < 0.05 < 4 / 2**6
    seven = compare(tidy({name: [1.0] * 7 for name in rules}))
    assert set(seven["verdict"]) == {"equivalent"}


def test_the_same_difference_everywhere_needs_six_seeds():
    for n, verdict in ((5, "cannot tell"), (6, "different")):
        row = only(compare(tidy({"delta": [0.5] * n, "a": [0.75] * n})), "a")
        assert (row["verdict"], row["p"]) == (verdict, 2 * 0.5**n)
    five = only(compare(tidy({"delta": [0.5] * 5, "a": [0.75] * 5})), "a")
    assert five["seeds_needed"] == 6
    assert "the same difference on each" in five["statement"]


def test_seeds_needed_is_the_smallest_number_with_power():
    from statsmodels.stats.power import TTestPower

    n = seeds_needed(0.02, 0.025)
    power = TTestPower()
    assert power.power(0.8, n, 0.05) >= 0.8 > power.power(0.8, n - 1, 0.05)
    assert n == 15  # the textbook number for d = 0.8 in a paired t test
    assert seeds_needed(0.02, 0.025, family=7) > n
    assert seeds_needed(1e-6, 0.1) is None
    assert seeds_needed(0.1, 0.0) is None


def test_unknown_baseline_is_refused():
    with pytest.raises(ArcherError, match="'delta' has no scores"):
        compare(tidy({"a": [0.1]}))
