"""Differences and shares that the README and the log state in prose, computed from their records.

Averages are of selected trials by the protocol's own rule (`select`), pairs by seed, t intervals.
"""

from pathlib import Path

import pandas as pd
import pytest
from scipy import stats

from archer.mad.scoring import select, task_scores

ROOT = Path(__file__).parents[2]
BEST = "bounded_error_gated_choosing"
COMPARISONS = 108  # that the search made: 36 candidates against three rules


def average_by_seed(record: str) -> pd.DataFrame:
    trials = pd.read_csv(ROOT / "records" / record / "trials.csv.gz")
    scores = task_scores(select(trials, "strict"))
    return scores.pivot_table(values="accuracy", index="seed", columns="rule")


@pytest.mark.parametrize("baseline", ["delta", "gated_delta"])
def test_what_is_said_of_the_search_s_best_rule_on_core(baseline: str) -> None:
    seeds = average_by_seed("2026-11-22-core-search-best")
    found = stats.ttest_1samp(seeds[BEST] - seeds[baseline], 0)
    low, high = found.confidence_interval()
    difference = (seeds[BEST] - seeds[baseline]).mean()
    corrected = f"{min(1.0, COMPARISONS * found.pvalue):.2f}".replace("1.00", "1")
    readme, log = (ROOT / "README.md").read_text(), (ROOT / "LOG.md").read_text()
    interval = f"+{difference:.3f} ({low:.3f} to {high:.3f}"
    assert f"{interval})" in readme
    assert f"{interval}, p = {found.pvalue:.2g}) over `{baseline}`" in log
    said = readme.split("after correction for the search p = ")[1].split(" (")[0].split(" and ")
    assert said[["delta", "gated_delta"].index(baseline)] == corrected


def test_what_is_said_of_long_sequences() -> None:
    folder = ROOT / "records/2026-11-22-long-sequences-core-h200"
    found = pd.read_csv(folder / "lengths.csv")
    last = found[(found["quantity"] == "error") & (found["position"] == 65536)]
    answered = 100 - 100 * last[last["bindings"] == "renewed"].groupby("rule")["value"].mean()
    readme = (ROOT / "README.md").read_text()
    a, b, c, d = (
        f"{answered[rule]:.0f} %" for rule in ("gated_delta", "delta", "momentum", "adam")
    )
    assert f"`gated_delta` still answers {a} of the probes" in readme
    assert f"`delta` {b}, `momentum` {c} and `adam` {d}" in readme
