"""Differences and shares that the README and the log state in prose, computed from their records.

Averages are of selected trials by the protocol's own rule (`select`), pairs by seed, t intervals.
"""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from scipy import stats

from archer.mad.scoring import select, task_scores

ROOT = Path(__file__).parents[2]
BEST = "bounded_error_gated_choosing"
BASELINES = ("delta", "gated_delta")
COMPARISONS = 108  # that the search made: 36 candidates against three rules


def average_by_seed(record: str) -> pd.DataFrame:
    trials = pd.read_csv(ROOT / "records" / record / "trials.csv.gz")
    scores = task_scores(select(trials, "strict"))
    return scores.pivot_table(values="accuracy", index="seed", columns="rule")


def scores_by_task(record: str, task: str) -> pd.DataFrame:
    trials = pd.read_csv(ROOT / "records" / record / "trials.csv.gz")
    scores = task_scores(select(trials, "strict"))
    return scores[scores["task"] == task].pivot_table("accuracy", "seed", "rule")


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


def test_what_fresh_seeds_say_of_it() -> None:
    """Two comparisons, Holm; both baselines at the rates of their own grid."""
    seeds = average_by_seed("2026-11-22-core-search-best-fresh-seeds")
    assert list(seeds.index) == list(range(3, 11))
    found = {name: stats.ttest_1samp(seeds[BEST] - seeds[name], 0) for name in BASELINES}
    gated, delta = (found[name].pvalue for name in ("gated_delta", "delta"))
    assert gated < delta
    wanted = {"gated_delta": 2 * gated, "delta": max(2 * gated, delta)}
    for name in BASELINES:
        assert told(seeds[BEST] - seeds[name], found[name]) in read("docs/research.md")
    for text in (read("README.md"), read("rules/README.md"), read("LOG.md")):
        for name in BASELINES:
            interval = told(seeds[BEST] - seeds[name], found[name])
            assert f"{interval} over `{name}`" in text
            assert f"p = {wanted[name]:.1g}" in text.split(interval)[1][:200]
    assert (seeds[BEST] > seeds["gated_delta"]).all()


def test_which_tasks_fresh_seeds_settle() -> None:
    """Every difference that the record's own report settles stands in the log."""
    report = read("records/2026-11-22-core-search-best-fresh-seeds/report.md")
    settled = [line for line in report.splitlines() if "| different |" in line and " t |" in line]
    assert len(settled) == 2
    log = read("LOG.md").split("Task by task", 1)[1].split("\n- **")[0]
    for line in settled:
        d, low, high, p = (cell.strip() for cell in line.split("|")[8:12])
        change = f"{float(d):+.3f}, {float(low):.3f} to {float(high):.3f}, p = {float(p):.2g}"
        assert change in log
    scores = scores_by_task("2026-11-22-core-search-best-fresh-seeds", "fuzzy-in-context-recall")
    differences = scores[BEST] - scores["gated_delta"]
    found = stats.ttest_1samp(differences, 0)
    change = told(differences, found).replace(" (", ", ").rstrip(")")
    assert f"{change}, p = {2 * found.pvalue:.2g}" in log


def test_what_lifts_the_promoted_rules() -> None:
    record = "2026-11-22-core-search-promoted"
    compress = scores_by_task(record, "compression")
    fuzzy = scores_by_task(record, "fuzzy-in-context-recall")
    gains = {
        task: frame.drop(columns=list(BASELINES)).sub(frame["delta"], axis=0).mean()
        for task, frame in (("Compress", compress), ("Fuzzy Recall", fuzzy))
    }
    text = read("rules/README.md")
    low, high = gains["Compress"].min(), gains["Compress"].max()
    assert f"{low:+.3f} to {high:+.3f} on Compress" in text
    more = gains["Fuzzy Recall"][gains["Fuzzy Recall"] > gains["Compress"]]
    assert len(more) == 5
    assert (
        f"The first five gain more on Fuzzy Recall ({more.min():+.3f} to {more.max():+.3f})" in text
    )
    assert compress.drop(columns=list(BASELINES)).T.drop_duplicates().shape[0] == 3


def test_what_the_promoted_rules_reach() -> None:
    """All at one choice of rates; the line of each in rules/README.md."""
    seeds = average_by_seed("2026-11-22-core-search-promoted")
    text = read("rules/README.md")
    rules = [rule for rule in seeds if rule not in BASELINES]
    assert sorted(rules) == sorted(path.stem for path in (ROOT / "rules").glob("*.py"))
    p = {}
    for rule in [*rules, "gated_delta"]:
        found = stats.ttest_1samp(seeds[rule] - seeds["delta"], 0)
        p[rule] = found.pvalue
        if rule in rules:
            (line,) = (line for line in text.splitlines() if line.startswith(f"| `{rule}` |"))
            change = told(seeds[rule] - seeds["delta"], found)
            assert line.endswith(f"| {seeds[rule].mean():.3f} | {change} |")
    first, second = sorted(p.values())[:2]
    assert f"{9 * first:.3f} and {max(9 * first, 8 * second):.3f}" in text
    for name in BASELINES:
        assert f"{seeds[name].mean():.3f}" in text


def test_what_a_second_seed_of_the_full_benchmark_changes() -> None:
    folder = ROOT / "records/2026-11-22-mad-delta-two-seeds"
    chosen = select(pd.read_csv(folder / "trials.csv.gz"), "strict")
    tasks = task_scores(chosen).pivot_table(values="accuracy", index="task", columns="seed")
    settings = chosen.pivot_table(values="accuracy", index="setting", columns="seed")
    text = read("README.md")
    for task, words in {
        "fuzzy-in-context-recall": "Fuzzy Recall from {} to {}",
        "memorization": "Memorize from {} to {}",
        "selective-copying": "Selective Copy from {} to {}",
    }.items():
        assert words.format(*(f"{value:.3f}" for value in tasks.loc[task])) in text
    pair = settings.loc["memorization/vocab_size=1024"]
    assert "vocabulary 1024, from {:.3f} to {:.3f}".format(*pair) in text


def test_what_the_sweep_of_the_softmax_s_scale_says() -> None:
    folder = ROOT / "records/2026-11-22-sweep-softmax-scale-core-h200"
    chosen = pd.read_csv(folder / "chosen.csv").set_index("task").loc["fuzzy-in-context-recall"]
    grid = pd.read_csv(ROOT / "records/2026-11-22-core-nine-rules/trials.csv.gz")
    at = {"rule": "delta", "task": "fuzzy-in-context-recall", "lr": 1e-3, "weight_decay": 0.1}
    delta = grid[(grid[list(at)] == pd.Series(at)).all(axis=1)]["test_accuracy"]
    assert len(delta) == 3
    assert chosen["softmax_attention.scale"] == 128
    reached, default = chosen["test_accuracy"], chosen["default_test_accuracy"]
    said = f"reaches {reached:.3f} on Fuzzy Recall instead of {default:.3f} "
    assert said + f"(`delta` at the same rates: {delta.mean():.3f})" in read("README.md")
    change = f"{chosen['difference']:+.3f} ({chosen['low']:.3f} to {chosen['high']:.3f})"
    assert change in read("LOG.md")
    assert change in read("docs/sweeps.md")


def read(name: str) -> str:
    return (ROOT / name).read_text()


def told(differences: "pd.Series[float]", found: Any) -> str:
    low, high = found.confidence_interval()
    return f"{differences.mean():+.3f} ({low:.3f} to {high:.3f})"


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


def test_the_norms_of_memories_on_long_sequences() -> None:
    text = read("docs/lengths.md")
    for record, name in (
        ("2026-11-22-long-sequences-core-h200", "`{}`"),
        ("2026-11-22-long-sequences-adam-eps-core-h200", "`{}`, eps = 0.01"),
    ):
        found = pd.read_csv(ROOT / "records" / record / "lengths.csv")
        found = found[(found["quantity"] == "memory") & (found["bindings"] == "renewed")]
        found = found[found["layer"] == 0].groupby(["rule", "position"])["value"].mean()
        for rule in found.index.levels[0]:
            (line,) = (
                row for row in text.splitlines() if row.startswith(f"| {name.format(rule)} |")
            )
            norms = (found[rule, position] for position in (1024, 65536))
            first, last = (f"{norm:.1f}" if norm < 10 else f"{norm:.0f}" for norm in norms)
            assert line.endswith(f"| {first} to {last} |"), rule


def test_what_eight_seeds_of_fuzzy_recall_settle() -> None:
    scores = scores_by_task("2026-11-22-core-fuzzy-eight-seeds", "fuzzy-in-context-recall")
    assert list(scores.index) == list(range(8))
    log = read("LOG.md").split("**Eight seeds settle it")[1].split("\n- **")[0]
    readme = read("README.md").split("On eight seeds (")[1].split("\n\n")[0]
    found = {
        rule: stats.ttest_1samp(scores[rule] - scores["delta"], 0)
        for rule in ("softmax_attention", "momentum", "adam")
    }
    assert list(found) == sorted(found, key=lambda rule: found[rule].pvalue)
    for place, (rule, test) in enumerate(found.items()):
        said = f"`{rule}` {scores[rule].mean():.3f}: {told(scores[rule] - scores['delta'], test)}"
        assert said in log, rule
        corrected = (3 - place) * test.pvalue
        if corrected < 0.05:
            assert f"p = {corrected:.1g}" in log.split(said)[1][:20]
            low, high = sorted(-bound for bound in test.confidence_interval())
            change = f"{(scores['delta'] - scores[rule]).mean():.3f} ({low:.3f} to {high:.3f})"
            assert f"`{rule}` {change}" in readme or f"`{rule}` is {change}" in readme
        else:
            assert rule == "adam"
            assert f"`adam`'s {scores['adam'].mean():.3f} is not told apart" in readme
    assert f"`delta`'s {scores['delta'].mean():.3f}" in readme
    assert f"between {scores['adam'].min():.3f} and {scores['adam'].max():.3f}" in log


@pytest.mark.parametrize("rule", ["momentum", "adam"])
def test_what_the_sweeps_of_chunk_sizes_say(rule: str) -> None:
    folder = ROOT / f"records/2026-11-22-sweep-{rule}-chunks-core-h200"
    points = pd.read_csv(folder / "points.csv").pivot_table("mean", "task", "chunk_size")
    fuzzy = points.loc["fuzzy-in-context-recall", [64, 32, 16, 8, 1]]
    curve = ", ".join(f"{value:.3f}" for value in fuzzy)
    log, sweeps = read("LOG.md"), read("docs/sweeps.md")
    (row,) = (line for line in sweeps.splitlines() if line.startswith(f"| {rule}'s chunks |"))
    chosen = pd.read_csv(folder / "chosen.csv").set_index("task").loc["fuzzy-in-context-recall"]
    change = f"{chosen['difference']:+.3f} ({chosen['low']:.3f} to {chosen['high']:.3f}"
    size = int(chosen["chunk_size"])
    assert f"| {curve} | {size}, {change}) |" in row
    assert curve in log
    assert change.replace(" (", ", ") in log or change in log


def test_where_a_momentum_per_token_stands_beside_delta() -> None:
    folder = ROOT / "records/2026-11-22-sweep-momentum-chunks-core-h200"
    sweep = pd.read_csv(folder / "sweep.csv")
    one = sweep[(sweep["chunk_size"] == 1) & (sweep["task"] == "fuzzy-in-context-recall")]
    grid = pd.read_csv(ROOT / "records/2026-11-22-core-nine-rules/trials.csv.gz")
    at = {"rule": "delta", "task": "fuzzy-in-context-recall", "lr": 1e-3, "weight_decay": 0.1}
    delta = grid[(grid[list(at)] == pd.Series(at)).all(axis=1)].set_index("seed")["test_accuracy"]
    differences = one.set_index("seed")["test_accuracy"] - delta
    assert len(differences.dropna()) == 3
    said = told(differences, stats.ttest_1samp(differences, 0))
    assert f"level with `delta` at the same rates, seed by seed: {said}" in read("LOG.md")
    chosen = pd.read_csv(folder / "chosen.csv").set_index("task").loc["fuzzy-in-context-recall"]
    reached, default = chosen["test_accuracy"], chosen["default_test_accuracy"]
    assert f"reaches {reached:.3f} instead of {default:.3f}" in read("README.md")


def test_adam_on_memorize_with_shorter_chunks() -> None:
    folder = ROOT / "records/2026-11-22-sweep-adam-chunks-core-h200"
    points = pd.read_csv(folder / "points.csv").pivot_table("mean", "task", "chunk_size")
    whole, *short = (f"{points.loc['memorization', size]:.3f}" for size in (32, 16, 8, 1))
    assert f"falls from {whole} to {short[0]} on Memorize" in read("README.md")
    assert f"{short[0]}, {short[1]}, {short[2]} with 16, 8 and 1" in read("LOG.md")
    assert f"from {whole} to {short[0]}, {short[1]} and {short[2]}" in read("docs/sweeps.md")


def test_what_three_seeds_say_of_the_full_benchmark_s_memorize() -> None:
    record = "2026-11-22-mad-memorize-three-seeds"
    scores = scores_by_task(record, "memorization")
    log = read("LOG.md").split("**A third seed of the full benchmark's Memorize")[1]
    for rule in BASELINES:
        assert f"`{rule}` " + ", ".join(f"{value:.3f}" for value in scores[rule]) in log
    differences = scores["gated_delta"] - scores["delta"]
    assert told(differences, stats.ttest_1samp(differences, 0)) in log
    cells = pd.read_csv(ROOT / "records" / record / "cells.csv").set_index("rule")
    low_high = [f"{cells.loc[r, 'low']:.3f} to {cells.loc[r, 'high']:.3f}" for r in BASELINES]
    assert "({} and {})".format(*low_high) in read("README.md")
