"""A table of some of MAD's tasks says nothing of the others, nor of the average of all six."""

import pandas as pd
import pytest

from archer.report.claims import verify

ROWS = ["delta", "momentum", "adam"]
FUZZY = pd.DataFrame({"Fuzzy Recall": [0.498, 0.288, 0.461]}, index=ROWS)
TWO = FUZZY.assign(Memorize=[0.4, 0.5, 0.6])
ABSENT = "of a column that the table does not have"


def statuses(text, table=FUZZY):
    return [(v.status, v.note) for v in verify(text, table)]


@pytest.mark.parametrize(
    "text",
    [
        "Delta is best on Memorize.",
        "Delta is best on Compress and Fuzzy Recall.",
        "Momentum has the lowest Memorization score.",
        "Delta is ahead of adam on Noisy Recall by 0.037.",
        "Delta is ahead of adam on in-context recall by 0.037.",
        "Momentum scores 0.498 on Selective Copy.",
        "Delta has the best average.",
        "On average delta scores 0.498.",
        "# Memorize\n\nDelta is best.",
        "| rule | Context Recall |\n|---|---|\n| delta | 0.498 |",
        "| rule | Average |\n|---|---|\n| delta | 0.2 |",
    ],
)
def test_what_the_table_lacks_is_not_checked(text):
    found = statuses(text)
    assert found
    assert set(found) == {("unchecked", ABSENT)}


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("Delta is best.", "confirmed"),
        ("Adam is best.", "refuted"),
        ("Momentum is 0.210 below delta.", "confirmed"),
        ("Momentum is 0.310 below delta.", "refuted"),
        ("Delta is best on Fuzzy Recall.", "confirmed"),
        ("| rule | Memorize | Fuzzy Recall |\n|---|---|---|\n| delta | - | 0.2 |", "refuted"),
    ],
)
def test_of_one_column_every_sentence_speaks(text, status):
    assert [found for found, _ in statuses(text)] == [status]


def test_of_two_columns_a_sentence_has_to_say_which():
    assert statuses("Delta is best.", TWO) == [("unchecked", ABSENT)]
    assert statuses("Adam is best on Memorize.", TWO)[0][0] == "confirmed"


def test_other_tables_keep_their_average():
    table = FUZZY.rename(columns={"Fuzzy Recall": "WikiText"})
    assert statuses("On average delta scores 0.498.", table)[0][0] == "confirmed"
    assert statuses("Delta has the best average.", FUZZY.assign(Average=[0.5, 0.4, 0.3]))[0][0] == (
        "confirmed"
    )
