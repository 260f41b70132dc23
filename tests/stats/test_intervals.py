import numpy as np
import pandas as pd
import pytest
from scipy import stats

from archer.errors import ArcherError
from archer.stats import cell_summary, mean_interval, seed_scores


def tidy(rows):
    frame = pd.DataFrame(rows, columns=["rule", "setting", "seed", "accuracy"])
    return frame.assign(row=frame["rule"], task="t", column="T")


def test_t_interval_by_hand():
    # mean 0.5, sd 0.1, n 3: half width = 4.30265 * 0.1 / sqrt(3) = 0.248414
    interval = mean_interval([0.4, 0.5, 0.6])
    assert (interval.mean, interval.sd, interval.method) == (
        pytest.approx(0.5),
        pytest.approx(0.1),
        "t",
    )
    assert interval.high - 0.5 == pytest.approx(0.2484138, abs=1e-6)
    assert 0.5 - interval.low == pytest.approx(0.2484138, abs=1e-6)


def test_interval_that_would_leave_the_metric_is_cut_and_says_so():
    values = [0.95, 0.999, 0.9995, 0.9]
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert high > 1
    interval = mean_interval(values)
    assert (interval.method, interval.high) == ("cut t", 1.0)
    assert interval.low == pytest.approx(low)
    mirrored = mean_interval([1 - x for x in values])
    assert (mirrored.method, mirrored.low) == ("cut t", 0.0)
    assert mirrored.high == pytest.approx(1 - low)
    assert mean_interval(values, bounds=None).high == pytest.approx(high)


def test_two_seeds_are_cut_too():
    interval = mean_interval([0.9, 0.99])
    assert (interval.method, interval.high) == ("cut t", 1.0)
    assert interval.low == pytest.approx(0.945 - 12.7062 * 0.045, abs=1e-4)


def test_intervals_near_a_bound_cover_the_mean_nine_times_in_ten():
    """Beta(9, 1), mean 0.9, three seeds: a percentile bootstrap does so 78 times in 100."""
    drawn = np.random.default_rng(1).beta(9, 1, size=(400, 3))
    cut = [interval for interval in map(mean_interval, drawn) if interval.method == "cut t"]
    assert len(cut) > 300
    assert np.mean([interval.low <= 0.9 <= interval.high for interval in cut]) > 0.9


def test_one_seed_has_no_interval():
    interval = mean_interval([0.5])
    assert interval.method == "none: one seed"
    assert interval.mean == 0.5
    assert np.isnan([interval.sd, interval.low, interval.high]).all()


def test_settings_are_averaged_within_a_seed_first():
    # 2 seeds x 2 settings: n is 2, not 4; seed means 0.5 and 0.7
    frame = tidy([("a", "x", 0, 0.2), ("a", "y", 0, 0.8), ("a", "x", 1, 0.5), ("a", "y", 1, 0.9)])
    cell = cell_summary(frame).iloc[0]
    assert (cell["n"], cell["mean"]) == (2, pytest.approx(0.6))
    assert cell["sd"] == pytest.approx(np.sqrt(0.02))


def test_a_seed_with_a_missing_setting_is_left_out():
    frame = tidy(
        [("a", "x", 0, 0.2), ("a", "y", 0, 0.8), ("a", "x", 1, 0.9), ("a", "y", 1, np.nan)]
    )
    assert seed_scores(frame)[["seed", "score"]].to_numpy().tolist() == [[0, 0.5]]


def test_unselected_trials_and_missing_columns_are_refused():
    frame = tidy([("a", "x", 0, 0.2), ("a", "x", 0, 0.3)])
    with pytest.raises(ArcherError, match="two accuracies"):
        cell_summary(frame)
    with pytest.raises(ArcherError, match="'seed'"):
        cell_summary(frame.drop(columns="seed"))
