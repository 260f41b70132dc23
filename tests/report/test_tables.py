"""The table as people see it."""

import pandas as pd
import pytest
from rich.console import Console
from scipy import stats

from archer.mad.settings import TASKS
from archer.report.study import Study
from archer.report.tables import (
    cells,
    cells_frame,
    differences,
    markdown_table,
    terminal_table,
    with_spread,
)
from archer.rules.load import BUILTIN

SCORES = {
    ("delta", "in-context-recall"): 0.25,
    ("momentum", "in-context-recall"): 0.7504,
    ("adam", "in-context-recall"): None,
    ("delta", "memorization"): 0.5,
    ("momentum", "memorization"): 0.5,
    ("adam", "memorization"): 0.5,
}


def test_cells_have_three_decimals_marks_and_no_score(made):
    text = cells(Study.of(made(SCORES)))
    assert text["Context Recall"].tolist() == ["0.250", "0.750", "no score"]
    assert text["Memorize"].tolist() == ["0.500", "0.500=", "0.500="]


def test_the_terminal_shows_rules_by_their_short_names_and_the_best_in_bold(made):
    console = Console(width=100, force_terminal=True, color_system="standard")
    with console.capture() as capture:
        console.print(terminal_table(Study.of(made(SCORES))))
    lines = capture.get().splitlines()
    body = {line.split()[0]: line for line in lines if line.split()[0] in ("delta", "momentum")}
    assert "\x1b[1m0.750\x1b[0m" in body["momentum"]
    assert "\x1b[1m0.250" not in body["delta"]
    assert "\x1b[1m0.500\x1b[0m" in body["delta"]


def test_the_whole_table_fits_a_terminal_of_80_characters(made):
    results = Study.of(made({(rule, task): 0.5 for rule in BUILTIN for task in TASKS}))
    console = Console(width=80, soft_wrap=True)
    with console.capture() as capture:
        console.print(terminal_table(results))
    assert "…" not in capture.get()
    assert max(map(len, capture.get().splitlines())) <= 80
    words = " ".join(capture.get().split())
    for word in ("Compress", "Memorize", "Selective", "Average", "softmax_attention 0.500 0.500"):
        assert word in words


def test_markdown_tables_are_markdown():
    frame = pd.DataFrame({"A": ["1", "2"], "B": ["3", "4"]}, index=["x", "y"])
    assert markdown_table(frame).splitlines() == [
        "| | A | B |",
        "|---|---:|---:|",
        "| x | 1 | 3 |",
        "| y | 2 | 4 |",
    ]


def test_differences_are_signed_and_to_the_baseline(made):
    study = Study.of(made(SCORES), "momentum")
    assert differences(study)["Context Recall"].tolist() == ["-0.500", "no score"]
    assert differences(Study.of(made({("momentum", "memorization"): 0.5}))) is None


def test_with_seeds_each_mean_has_half_its_interval_below(made):
    scores = {
        ("delta", "memorization"): [0.48, 0.5, 0.52],
        ("gated_delta", "memorization"): [0.5] * 3,
    }
    study = Study.of(made(scores, seeds=3))
    half = stats.t.ppf(0.975, 2) * 0.02 / 3**0.5
    assert with_spread(study)["Memorize"].tolist() == [f"0.500\n±{half:.3f}", "0.500\n±0.000"]
    assert "±" not in cells(study).to_string()
    alone = Study.of(made({("delta", "memorization"): 0.5}))
    assert with_spread(alone).equals(cells(alone))


def test_the_table_with_intervals_fits_a_terminal_of_80_characters(noisy):
    console = Console(width=80, soft_wrap=True)
    with console.capture() as capture:
        console.print(terminal_table(Study.of(noisy(3))))
    lines = capture.get().splitlines()
    assert max(map(len, lines)) <= 80
    assert sum("±" in line for line in lines) == 4
    assert "…" not in capture.get()


def test_cells_csv_holds_mean_deviation_and_interval(made):
    scores = {("delta", "memorization"): [0.48, 0.5, 0.52], ("gated_delta", "memorization"): None}
    found = cells_frame(Study.of(made(scores, seeds=3))).set_index("rule")
    delta = found.loc["delta"]
    half = stats.t.ppf(0.975, 2) * 0.02 / 3**0.5
    assert delta[["mean", "sd", "low", "high"]].tolist() == pytest.approx(
        [0.5, 0.02, 0.5 - half, 0.5 + half]
    )
    assert (delta["n"], delta["method"], delta["protocol"]) == (3, "t", "strict")
    assert (delta["row"], delta["column"]) == ("delta_net_4layer", "Memorize")
    assert found.loc["gated_delta", ["mean", "low", "high"]].isna().all()


def test_behind_the_mean_of_a_cut_interval_stands_the_way_to_its_farther_end(made):
    seeds = [0.95, 0.99, 1.0]
    study = Study.of(made({("delta", "memorization"): seeds}, seeds=3))
    mean = sum(seeds) / 3
    low, high = stats.t.interval(0.95, 2, mean, stats.sem(seeds))
    assert high > 1
    assert with_spread(study).loc[:, "Memorize"].tolist() == [f"{mean:.3f}\n±{mean - low:.3f}"]
