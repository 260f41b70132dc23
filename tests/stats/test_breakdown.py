import numpy as np
import pandas as pd

from archer.stats import breakdown, breaking_points


def curve(field, accuracies, rule="delta"):
    return [
        (rule, rule, "memorization", "Memorize", f"memorization/{field}={value}", seed, accuracy)
        for value, pair in accuracies.items()
        for seed, accuracy in enumerate(pair)
    ]


COLUMNS = ["rule", "row", "task", "column", "setting", "seed", "accuracy"]
VOCAB = {1024: (0.2, 0.4), 256: (0.9, 1.0), 512: (0.8, 0.8)}
ROWS = curve("vocab_size", VOCAB) + curve("num_train_examples", {800: (0.1, 0.3), 6400: (0.9, 0.9)})
ROWS.append(("delta", "delta", "memorization", "Memorize", "memorization", 0, 0.95))


def test_settings_are_ordered_by_difficulty_with_mean_and_spread():
    table = breakdown(pd.DataFrame(ROWS, columns=COLUMNS))
    vocab = table[table["field"] == "vocab_size"]
    assert vocab["value"].tolist() == [256, 512, 1024]
    np.testing.assert_allclose(vocab["mean"], [0.95, 0.8, 0.3])
    np.testing.assert_allclose(vocab["sd"].iloc[0], np.sqrt(0.005))
    assert table.loc[table["field"] == "num_train_examples", "value"].tolist() == [6400, 800]
    assert table.loc[table["field"] == "baseline", "n"].tolist() == [1]


def test_breaking_point_is_where_accuracy_falls_below_half_for_good():
    points = breaking_points(breakdown(pd.DataFrame(ROWS, columns=COLUMNS))).set_index("field")
    assert points.loc["vocab_size", "breaks_at"] == 1024
    assert points.loc["vocab_size", "last_good"] == 512
    assert points.loc["num_train_examples", "breaks_at"] == 800
    whole = breaking_points(breakdown(pd.DataFrame(ROWS, columns=COLUMNS)), share=0.1)
    assert whole["breaks_at"].isna().all()


def test_a_dip_that_recovers_is_no_break_and_several_fields_are_one():
    rows = curve("vocab_size", {256: (1.0,), 512: (0.1,), 1024: (0.9,)})
    points = breaking_points(breakdown(pd.DataFrame(rows, columns=COLUMNS)))
    assert points["breaks_at"].isna().all()
    both = curve("vocab_size=64,seq_len", {32: (1.0,)})
    assert breakdown(pd.DataFrame(both, columns=COLUMNS))["field"].tolist() == [
        "vocab_size,seq_len"
    ]
