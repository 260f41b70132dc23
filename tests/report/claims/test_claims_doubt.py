"""A refutation needs a full reading; and tables that are drawn with spaces."""

from pathlib import Path

import pandas as pd
import pytest

from archer.report.claims import verify

DATA = Path(__file__).parent / "data"
TABLE = pd.read_csv(DATA / "seed.csv")


def found(text):
    return [(v.status, v.stated, v.actual) for v in verify(text, TABLE)]


@pytest.mark.parametrize(
    "text",
    [
        # cut-off parts that limit what follows
        "Of the optimizer-style updates, momentum is best on Memorize.",
        "If one drops Memorize, softmax attention is behind the baseline on average.",
        # words the grammar does not know
        "Frobnicated momentum leads DeltaNet on Memorize.",
        # a figure that is another quantity of the names beside it
        "Decay's gain on Fuzzy Recall, 0.002, is the only one it has.",
        "Momentum and decay differ little from DeltaNet: −3.4 and −4.0 points on Memorize.",
        # trailing off
        "Momentum is best on Memorize...",
    ],
)
def test_what_is_not_wholly_understood_is_not_refuted(text):
    assert "refuted" not in {status for status, _, _ in found(text)}


@pytest.mark.parametrize(
    "text",
    [
        "Momentum is best on Memorize.",
        "Momentum leads DeltaNet on Memorize.",
        "The lowest best score is 0.310, on Memorize, by gated DeltaNet.",
        "The rules differ most on Fuzzy Recall, from 0.144 to 0.310.",
        "The gap between the best and the worst rule on Selective Copy is 27.4 points.",
        "The top two by average are softmax attention and DeltaNet.",
        "Apart from momentum, every rule reaches 0.93 on Selective Copy.",
        "All but two of the models are above 0.5 on Memorize.",
        "About two thirds of the Fuzzy Recall score is lost with momentum.",
    ],
)
def test_what_is_plainly_false_is_refuted(text):
    assert "refuted" in {status for status, _, _ in found(text)}


DRAWN = """rule               Memorize   Fuzzy Recall
delta_net_4layer      0.403          0.217
momentum              0.370          {}
"""


@pytest.mark.parametrize("frame", ["```\n{}```\n", "Results:\n\n    {}\n", "{}"])
def test_a_table_drawn_with_spaces_is_a_table(frame):
    def drawn(cell):
        table = DRAWN.format(cell)
        inside = table.replace("\n", "\n    ").rstrip(" ") if "    {}" in frame else table
        return found(frame.format(inside))

    assert [status for status, _, _ in drawn("0.144")] == ["confirmed"] * 4
    wrong = [(stated, actual) for status, stated, actual in drawn("0.244") if status == "refuted"]
    assert wrong == [(0.244, pytest.approx(0.144458))]


def test_code_that_is_no_table_makes_no_claim():
    assert found("```python\nmomentum = 0.9\nfuzzy_recall = 0.5\n```") == []
    assert found("```\n$ archer bench delta momentum   --seeds 3\n```") == []


@pytest.mark.parametrize("side", ["above", "ahead of", "higher than"])
def test_at_most_so_much_above_may_be_below(side):
    """Momentum is 0.009 below DeltaNet on Compress."""
    text = f"Momentum is at most 0.002 {side} DeltaNet on Compress."
    assert {v.status for v in verify(text, TABLE)} <= {"unchecked", "confirmed"}
    assert "refuted" in {v.status for v in verify(text.replace("most", "least"), TABLE)}
