"""How names, numbers and sentences are read."""

from pathlib import Path

import pandas as pd
import pytest

from archer.report.claims.skeleton import Reader
from archer.report.claims.table import ScoreTable
from archer.report.claims.text import blocks

DATA = Path(__file__).parent / "data"


def table(name):
    return ScoreTable(pd.read_csv(DATA / f"{name}.csv"))


SEED = Reader(table("seed"))


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("momentum", "delta_net_4layer_momentum_state_update_in_for_loop"),
        ("the error gate", "delta_net_4layer_error_gated_state_update_in_for_loop"),
        ("error-gated updates", "delta_net_4layer_error_gated_state_update_in_for_loop"),
        ("softmax attn", "delta_net_4layer_softmax_attention_in_for_loop"),
        ("GDN", "gated_delta_net_4layer"),
        ("Gated DeltaNet", "gated_delta_net_4layer"),
        ("DeltaNet", "delta_net_4layer"),
        ("the baseline", "delta_net_4layer"),
        ("DeltaNet with momentum", "delta_net_4layer_momentum_state_update_in_for_loop"),
        ("`delta_net_4layer`", "delta_net_4layer"),
    ],
)
def test_model_names(text, row):
    s = SEED.read(f"{text} is good")
    assert s.text.startswith("M")
    index = int(s.text[1 : s.text.index(" ")])
    assert s.models[index].single == row


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("compression", "Compress"),
        ("in-context recall", "Context Recall"),
        ("ICR", "Context Recall"),
        ("fuzzy in-context recall", "Fuzzy Recall"),
        ("memorisation", "Memorize"),
        ("noisy recall", "Noisy Recall"),
        ("selective copying", "Selective Copy"),
        ("overall", "Average"),
    ],
)
def test_task_names(text, column):
    assert [t.single for t in SEED.read(f"best on {text}").tasks] == [column]


def test_a_delta_may_be_a_difference():
    assert SEED.read("a delta of +0.01 on Compress").models == []
    assert SEED.read("delta wins on Compress").models


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("−0.009", -0.009, ""),
        ("+1.2 pp", 1.2, "pp"),
        ("1.2 percentage points", 1.2, "pp"),
        ("1.2 ppts", 1.2, "pp"),
        ("93 %", 93.0, "%"),
        ("1.9×", 1.9, "x"),
        ("≈ 0.64", 0.64, ""),
    ],
)
def test_figures(text, value, unit):
    (figure,) = SEED.read(f"momentum: {text} on Compress").figures
    assert (figure.signed, figure.unit) == (value, unit)
    assert figure.approx == text.startswith("≈")


def test_baselines():
    assert table("seed").baseline == "delta_net_4layer"
    assert table("language").baseline == "base"
    assert table("rules").baseline == "delta"
    assert table("tiny").baseline == "baseline"
    assert table("vision").baseline is None


def test_percent_tables_are_fractions_inside_and_averages_are_plain_means():
    language = table("language")
    assert language.score("base", "PIQA") == pytest.approx(0.684)
    assert language.score("base", "Average") == pytest.approx(0.4934)
    assert table("rules").score("delta", "Average") == 0.6679


def test_sentences_keep_their_lines_and_code_is_left_out():
    report = "# A\n\nOne, e.g. this vs. that. Two is\nlonger.\n\n```\ncode 0.5\n```\n\n1. Item.\n"
    found = [(b.kind, b.line, b.text) for b in blocks(report)]
    assert found == [
        ("heading", 1, "A"),
        ("sentence", 3, "One, e.g. this vs. that."),
        ("sentence", 3, "Two is longer."),
        ("sentence", 10, "Item."),
    ]


def test_indented_text_is_text():
    assert [b.text for b in blocks("Results:\n\n    momentum 0.432 on Compress\n")][1:] == [
        "momentum 0.432 on Compress"
    ]


@pytest.mark.parametrize("end", ["times delta's.", "times delta’s.", "and took 8 s."])
def test_a_single_letter_that_is_no_initial_ends_a_sentence(end):
    first, second = blocks(f"adam takes 1.3 {end} Momentum has 0.25 on Compress.")
    assert (first.text[-2:], second.text[:8]) == ("s.", "Momentum")
    assert len(blocks("See A. Author et al. 2024, i. e. the paper.")) == 1
