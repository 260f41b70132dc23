"""The loop's statistics: the bar, claims on fresh seeds, predictions, search against chance."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from standins import Family
from test_loop import QUICK, loop

from archer.errors import ArcherError
from archer.mad.settings import TASKS
from archer.research.bar import bar_of, judge
from archer.research.chance import against_control, best_of
from archer.research.claims import claims, corrected
from archer.research.marks import apart
from archer.research.overview import Overview, Standing, front
from archer.research.page import page
from archer.research.predict import predictions, score
from archer.research.settings import Budget
from archer.research.summary import summary
from archer.research.words import claim as said_of


def rows(rule: str, by_seed: list[float], stage: str = "quick", tasks=TASKS) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"rule": rule, "stage": stage, "task": task, "seed": seed, "accuracy": accuracy}
            for seed, accuracy in enumerate(by_seed)
            for task in tasks
        ]
    )


def test_the_bar_is_the_quantile_of_the_difference_of_two_trainings_of_delta():
    values = [0.50, 0.51, 0.49, 0.52, 0.48]
    bar = bar_of("quick", rows("delta", values), seeds=1)
    assert bar.noise == pytest.approx(np.std(values, ddof=1))
    assert bar.margin == pytest.approx(stats.t.ppf(0.9, 4) * math.sqrt(2) * bar.noise)
    four = bar_of("quick", rows("delta", values), seeds=4)
    assert four.margin == pytest.approx(bar.margin / 2)
    assert f"{bar.margin:.4f}" in str(bar)


def test_equal_rules_pass_the_bar_about_one_time_in_ten():
    """By simulation: a candidate that is delta itself, with delta's own seed noise."""
    rng = np.random.default_rng(0)
    passed = 0
    for _ in range(4000):
        delta = rng.normal(0.5, 0.02, 5)
        candidate = rng.normal(0.5, 0.02)
        noise = np.std(delta, ddof=1)
        passed += candidate - delta[0] > stats.t.ppf(0.9, 4) * math.sqrt(2) * noise
    assert 0.08 < passed / 4000 < 0.12


def test_the_bar_needs_delta():
    with pytest.raises(ArcherError, match="delta has no score on core"):
        bar_of("core", rows("delta", [0.5, math.nan, 0.5, 0.5]), 1)


def test_a_rule_below_its_parent_or_without_a_score_is_not_promoted():
    delta = rows("delta", [0.50, 0.51, 0.49, 0.52, 0.48])
    bar = bar_of("quick", delta, 1)
    good, better = rows("a", [0.60]), rows("b", [0.61])
    assert judge(good, delta, delta, bar)[0]
    assert not judge(good, delta, better, bar)[0]
    lost = good.assign(accuracy=good["accuracy"].where(good["task"] != "compression"))
    assert judge(lost, delta, delta, bar) == (False, "no score on Compress at quick")


def test_the_correction_counts_every_candidate_tried():
    assert corrected([0.01, 0.02], 2) == pytest.approx([0.02, 0.02])
    assert corrected([0.01, 0.02], 30) == pytest.approx([0.3, 0.58])
    assert corrected([0.01, 0.02], 300) == pytest.approx([1.0, 1.0])
    assert math.isnan(corrected([math.nan, 0.001], 10)[0])
    assert corrected([], 10) == []


def entries(tmp_path, scales):
    settings = replace(QUICK, budget=Budget(len(scales)))
    made = loop(tmp_path, settings, {"search": Family(scales)})
    made.run()
    return made


def test_claims_hold_what_is_true_and_nothing_else(tmp_path):
    made = entries(tmp_path, [0.9, 1.1, 0.8, 1.2])
    overview = Overview.load(made.ledger, made.ledger.sessions()[0])
    assert overview.tried == 4
    assert {c.rule for c in overview.claims} == {
        e.id for e in made.entries("search") if e.outcome == "promoted"
    }
    assert {c.against for c in overview.claims} == {"delta", "gated_delta"}
    for claim in overview.claims:
        assert (claim.n, claim.family) == (3, 12)
        assert claim.p <= claim.p_holm
    best = next(c for c in overview.claims if c.against == "delta" and c.difference > 0.1)
    assert best.difference == pytest.approx(0.2 * 4 / 6, abs=0.003)
    wide = made.ledger.scores(1, "test").pivot_table("accuracy", "seed", "rule", "mean")
    gaps = stats.ttest_1samp(wide[best.rule] - wide["delta"], 0).confidence_interval()
    assert (best.low, best.high) == pytest.approx(gaps)
    assert best.verdict == "better"
    assert best.tasks["compression"] == (0, 0, 0)  # one chunk: delta by construction


@pytest.mark.parametrize("who", ["candidate", "delta"])
def test_a_seed_without_a_score_leaves_no_verdict(tmp_path, who):
    """The seeds that went well would flatter who lost the others."""
    made = entries(tmp_path, [0.9])
    (entry,) = made.entries("search")
    better = rows(entry.id, [0.6 + 0.001 * seed for seed in range(8)])
    delta = rows("delta", [0.5, 0.501, 0.5, 0.501, 0.5, 0.501, 0.5, 0.501])
    lost = better if who == "candidate" else delta
    lost.loc[(lost["seed"] % 2 == 1) & (lost["task"] == "compression"), "accuracy"] = math.nan
    gated = delta.assign(rule="gated_delta", accuracy=delta["accuracy"].fillna(0.5))
    tests = pd.concat([delta, gated, better])
    against = {c.against: c for c in claims([entry], tests, tried=1)}
    found = against["delta"]
    assert (found.n, found.lost, found.verdict) == (4, 4, "cannot tell")
    assert all(map(math.isnan, (found.difference, found.low, found.high, found.p, found.p_holm)))
    assert set(found.tasks) == {*TASKS} - {"compression"}
    overview = Overview.load(made.ledger, made.ledger.sessions()[0])
    assert "no score on 4 of 8 fresh seeds" in said_of(overview, found)
    overview.__dict__["claims"] = [*against.values()]  # as if they were its own
    text = summary(overview)
    assert "nan" not in text
    assert "| cannot tell: no score on 4 of 8 seeds | - |" in text
    assert "no score on 4 of 8 seeds" in page(overview)
    assert against["gated_delta"].verdict == ("cannot tell" if who == "candidate" else "better")


def test_luck_does_not_survive_the_correction(tmp_path):
    made = entries(tmp_path, [0.9, 0.8, 0.7, 0.6])
    tests = pd.concat(
        [
            rows("delta", [0.50, 0.51, 0.52]),
            rows("gated_delta", [0.50, 0.51, 0.52]),
            rows(made.entries("search")[0].id, [0.5100, 0.5201, 0.5302]),
        ]
    )
    found = claims(made.entries("search"), tests, tried=1)
    assert {c.verdict for c in found} == {"better"}
    found = claims(made.entries("search"), tests, tried=100_000)
    assert {c.verdict for c in found} == {"cannot tell"}


def test_predictions_are_scored_against_what_was_stored_before_training(tmp_path):
    made = entries(tmp_path, [0.9, 0.95, 0.8, 1.2])
    overview = Overview.load(made.ledger, made.ledger.sessions()[0])
    found = overview.predicted
    assert set(found["task"]) == {"compression", "memorization"}
    # there every rule of the family is delta by construction: nothing changes
    assert (found["observed"] == 0).all()
    prediction = overview.prediction
    assert prediction is not None
    assert (prediction.rules, prediction.n) == (4, 8)
    assert prediction.hits == 0.5  # "no change" on memorization was right, +0.02 was not
    assert prediction.hits_still == 1.0
    assert prediction.error == pytest.approx(0.01)
    assert prediction.error_still == 0


def test_slope_and_hits_of_predictions():
    expected = np.linspace(-0.1, 0.1, 12)
    frame = pd.DataFrame(
        {
            "rule": [f"r{i // 2}" for i in range(12)],
            "task": ["a", "b"] * 6,
            "expected": expected,
            "observed": 0.5 * expected + 0.005,
        }
    )
    found = score(frame)
    assert found is not None
    assert found.slope == pytest.approx(0.5)
    assert found.low == pytest.approx(0.5)
    assert found.high == pytest.approx(0.5)
    assert found.skill == pytest.approx(
        1 - np.abs(0.5 * expected - 0.005).mean() / np.abs(0.5 * expected + 0.005).mean()
    )
    assert score(frame.iloc[:0]) is None


def test_changes_are_paired_over_common_seeds(tmp_path):
    made = entries(tmp_path, [0.9, 0.8, 0.7, 0.6])
    entry = made.entries("search")[0]
    scores = {
        entry.id: {"compression": {0: 0.6, 1: 0.8}},
        "delta": {"compression": {0: 0.5, 1: 0.6, 2: 0.0}},
    }
    found = predictions([entry], scores)
    assert found["observed"].tolist() == pytest.approx([0.15])


def test_the_best_of_k_is_what_drawing_gives():
    values = np.array([0.0, 1.0, 2.0, 5.0])
    pairs = [max(a, b) for i, a in enumerate(values) for b in values[i + 1 :]]
    assert best_of(values, 2) == pytest.approx(np.mean(pairs))
    assert best_of(values, 1) == pytest.approx(values.mean())
    assert best_of(values, 4) == 5.0


def test_search_against_control():
    rng = np.random.default_rng(1)
    equal = [against_control(rng.normal(size=12), rng.normal(size=12)) for _ in range(25)]
    assert np.mean([c.p_typical < 0.1 for c in equal if c]) < 0.25
    assert np.mean([c.p_best < 0.1 for c in equal if c]) < 0.25
    better = against_control(list(rng.normal(2, 1, 12)), list(rng.normal(0, 1, 12)))
    assert better is not None
    assert better.p_typical < 0.01
    assert (better.n, better.scored, len(better.curve)) == (12, 12, 12)
    assert better.curve[-1][1] == better.best


def test_candidates_without_a_score_count_against_their_arm():
    control = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    nan = math.nan
    whole = against_control([0.35] * 6, control)
    half = against_control([0.35, 0.35, 0.35, nan, nan, nan], control)
    assert whole is not None
    assert half is not None
    assert half.p_typical > whole.p_typical
    assert (half.n, half.scored) == (6, 3)
    assert against_control([nan], control) is None


def test_the_front_keeps_what_nothing_beats_for_less():
    made = [
        ("a", 1.0, 0.0),
        ("b", 1.5, 0.2),
        ("c", 2.0, 0.1),
        ("d", 3.0, 0.3),
        ("e", 0.5, math.nan),
    ]
    standings = [Standing(n, n, None, 0.5, gap, cost) for n, cost, gap in made]
    assert [s.name for s in front(standings)] == ["a", "b", "d"]


def test_labels_that_would_touch_share_the_room_around_them():
    assert apart([10, 50, 62], 12) == [10, 50, 62]
    assert apart([10, 11, 12, 60], 12) == pytest.approx([-1, 11, 23, 60])
    assert apart([0, 0, 13], 12) == pytest.approx([-23 / 3, 13 / 3, 49 / 3])
