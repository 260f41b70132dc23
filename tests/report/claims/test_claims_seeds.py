"""Statements about single seeds, held against the trials and never against the mean."""

import re
from pathlib import Path

import pandas as pd
import pytest

from archer.report.claims import Details, verify
from archer.report.claims.check import read_with
from archer.report.claims.details import from_trials
from archer.report.claims.skeleton import Reader
from archer.report.claims.table import ScoreTable

RECORDS = Path(__file__).parents[3] / "records"
SCORES = {
    ("attention", "Fuzzy Recall"): (0.126, 0.968, 0.937),
    ("attention", "Compress"): (0.761, 0.755, 0.746),
    ("delta", "Fuzzy Recall"): (0.416, 0.489, 0.390),
    ("delta", "Compress"): (0.792, 0.750, 0.798),
    ("gated_delta", "Fuzzy Recall"): (0.458, 0.499, 0.354),
    ("gated_delta", "Compress"): (0.831, 0.848, 0.822),
}


def reader(seeds=(0, 1, 2)):
    rows = [(r, c, s, x[s]) for (r, c), x in SCORES.items() for s in seeds]
    frame = pd.DataFrame(rows, columns=["row", "column", "seed", "score"])
    table = frame.pivot_table(index="row", columns="column", values="score", sort=False)
    table["Average"] = table.mean(axis=1)
    return Reader(ScoreTable(table, Details(seed_scores=frame)))


THREE, ONE = reader(), reader((0,))


def statuses(text, table=THREE):
    return [v.status for v in read_with(table, text)]


CONFIRMED = (
    "On Fuzzy Recall the seeds of attention score 0.126, 0.937 and 0.968.",
    "On Fuzzy Recall, seeds 0, 1 and 2 of attention score 0.126, 0.968 and 0.937.",
    "On Fuzzy Recall attention scores 0.126 with seed 0, 0.968 with seed 1 and 0.937 with seed 2.",
    "seed 0 of attention reaches 0.126 on Fuzzy Recall.",
    "On Fuzzy Recall, seed 2 of delta has 39.00 %.",
    "attention, seed 2, scores 0.937 on Fuzzy Recall.",
    "attention, in its worst seed, scores 0.126 on Fuzzy Recall.",
    "The best seed of attention on Fuzzy Recall is 0.968.",
    "The median seed of gated_delta on Fuzzy Recall is 0.458.",
    "attention's best seed on Fuzzy Recall reaches 0.968, its worst only 0.126.",
    "attention's best seed on Fuzzy Recall scores 0.968. The best seed of delta scores 0.489.",
    "attention scores from 0.126 to 0.968 over its seeds on Fuzzy Recall.",
    "The scores of delta on Fuzzy Recall range from 0.390 to 0.489 across seeds.",
    "The seeds of attention on Fuzzy Recall differ by 0.842.",
    "The gap between the best and the worst seed of attention on Fuzzy Recall is 0.842.",
    "Two seeds of attention score 0.937 and 0.968 on Fuzzy Recall.",
    "On Average seed 0 of attention scores 0.444.",
    "The best seed of gated_delta averages 0.674.",
    "attention has 0.677 on Fuzzy Recall (seeds: 0.126, 0.968 and 0.937).",
)


@pytest.mark.parametrize("text", CONFIRMED)
def test_another_digit_makes_it_false(text):
    assert set(statuses(text)) == {"confirmed"}
    for found in re.finditer(r"\d\.\d+", text):
        wrong = str(int(found[0][-2]) + 4)[-1]  # the last digit but one
        false = text[: found.end() - 2] + wrong + text[found.end() - 1 :]
        assert "refuted" in statuses(false), false


@pytest.mark.parametrize(
    ("true", "false"),
    [
        ("attention solved Fuzzy Recall with two seeds of three.", " all three seeds."),
        ("attention solved Fuzzy Recall with two seeds of three.", " two seeds of four."),
        ("attention solves Fuzzy Recall with two of its seeds.", " one of its seeds."),
        ("attention fails on Fuzzy Recall with one seed of three.", " two seeds of three."),
        ("attention fails on Fuzzy Recall with seed 0.", " seed 1."),
        ("attention reaches 0.9 on Fuzzy Recall with two of its three seeds.", " every seed."),
        ("attention scores 0.126 on Fuzzy Recall with seed 0.", " seed 2."),
        ("attention scores 0.126 on Fuzzy Recall with seed 0.", " seed 7."),
        ("attention beats delta on Fuzzy Recall with two of three seeds.", " all three seeds."),
        ("attention beats delta on Fuzzy Recall with seed 1.", " seed 0."),
        ("gated_delta beats delta on Compress with every seed.", " no seed."),
        ("delta trails gated_delta on Compress with all three seeds.", " all five seeds."),
    ],
)
def test_how_many_and_which(true, false):
    assert statuses(true) == ["confirmed"]
    assert statuses(true.partition(" with")[0] + " with" + false) == ["refuted"]


@pytest.mark.parametrize(
    ("true", "false"),
    [
        ("Seed 1 is the best seed of attention on Fuzzy Recall.", ("Seed 1", "Seed 2")),
        ("The worst seed of attention on Fuzzy Recall is seed 0.", ("seed 0", "seed 1")),
        ("Two of attention's three seeds exceed 0.9 on Fuzzy Recall.", ("Two", "All")),
        ("Only one seed of attention falls below 0.5 on Fuzzy Recall.", ("one seed", "two seeds")),
        ("At least one seed of attention exceeds 0.96 on Fuzzy Recall.", ("one", "two")),
        ("Each seed of gated_delta reaches 0.82 on Compress.", ("0.82", "0.83")),
        ("No seed of delta exceeds 0.5 on Fuzzy Recall.", ("No", "Every")),
        ("Every seed of delta stays below 0.49 on Fuzzy Recall.", ("0.49", "0.45")),
        ("In every seed, gated_delta is ahead of delta on Compress.", ("Compress", "Fuzzy Recall")),
        ("With seed 0, delta beats attention on Fuzzy Recall.", ("beats", "trails")),
        (
            "On Fuzzy Recall attention solves it with two seeds of three and fails with the third.",
            (
                "two seeds of three and fails with the third",
                "one seed of three and fails with the other two",
            ),
        ),
        (
            "On Fuzzy Recall, seeds 0 and 1 of attention score 0.126 and 0.968.",
            ("0 and 1", "1 and 0"),
        ),
        ("On Fuzzy Recall seeds 1 to 2 of attention exceed 0.9.", ("1 to 2", "0 to 2")),
        ("attention averages 0.715 over three seeds.", ("three", "five")),
        ("Averaged over seeds, attention scores 0.677 on Fuzzy Recall.", ("0.677", "0.777")),
    ],
)
def test_another_word_makes_it_false(true, false):
    assert set(statuses(true)) == {"confirmed"}
    assert "refuted" in statuses(true.replace(*false))


@pytest.mark.parametrize(
    "text",
    [
        "The unlucky seed of attention scores 0.126 on Fuzzy Recall.",
        "The best run of attention on Fuzzy Recall scores 0.968.",
        "In all three runs attention beats delta on Fuzzy Recall.",
        "attention reaches 0.677 on Fuzzy Recall every time.",
        "attention averages 0.677 on Fuzzy Recall over two of its seeds.",
        "Whatever the seed, attention beats delta on Fuzzy Recall.",
        "Seed 0: attention 0.677 on Fuzzy Recall, delta 0.432.",
        "Seed 0 drags attention down on Fuzzy Recall (0.126).",
        "The best seed of attention beats delta on Fuzzy Recall.",
        "The seeds of attention score 0.677 on Fuzzy Recall.",
        "attention never falls below 0.12 on Fuzzy Recall with any seed.",
        "attention's best seed on Fuzzy Recall scores 0.968. The lesser one has 0.126.",
        "In every seed, whatever its luck, gated_delta beats delta on Fuzzy Recall.",
        "Every rule reaches 0.2 on Fuzzy Recall with its best seed.",
        "All seeds of delta lie between 0.3 and 0.5 on Fuzzy Recall.",
    ],
)
def test_what_is_not_followed_is_neither_confirmed_nor_refuted_by_the_mean(text):
    assert "refuted" not in statuses(text)
    assert statuses(text)[-1] == "unchecked"


def test_the_reason_is_said():
    text = "The unlucky seed of attention scores 0.126 on Fuzzy Recall."
    assert [v.note for v in read_with(THREE, text)] == [
        "about single seeds, in words that are not followed"
    ]
    alone = verify("Seed 0 of attention scores 0.126 on Fuzzy Recall.", THREE.table.values)
    assert [(v.status, v.note) for v in alone] == [
        ("unchecked", "no scores of single seeds are known")
    ]


@pytest.mark.parametrize(
    ("true", "false"),
    [
        ("Seed 0 of delta scores 0.416 on Fuzzy Recall.", ("Seed 0", "Seed 1")),
        ("The best seed of delta scores 0.792 on Compress.", ("0.792", "0.692")),
        ("delta averages 0.604 over one seed.", ("one seed", "three seeds")),
        ("With seed 0 gated_delta beats delta on Compress.", ("seed 0", "all three seeds")),
        ("Every seed of delta exceeds 0.4 on Fuzzy Recall.", ("Every seed", "Two of three seeds")),
    ],
)
def test_a_store_with_one_seed(true, false):
    assert set(statuses(true, ONE)) == {"confirmed"}
    assert "refuted" in statuses(true.replace(*false), ONE)


def test_columns_and_rows_of_seeds():
    head = (
        "## Fuzzy Recall\n\n| rule | mean | seed 0 | seed 1 | best seed |\n|---|---|---|---|---|\n"
    )
    assert statuses(head + "| attention | 0.677 | 0.126 | 0.968 | 0.968 |") == ["confirmed"] * 4
    assert statuses(head + "| attention | 0.677 | 0.968 | 0.126 | 0.937 |") == [
        "confirmed",
        *["refuted"] * 3,
    ]
    row = "| | Compress | Fuzzy Recall |\n|---|---|---|\n| attention, seed 0 | {} | 0.126 |"
    assert statuses(row.format(0.761)) == ["confirmed"] * 2
    assert statuses(row.format(0.754)) == ["refuted", "confirmed"]


def test_seeds_that_do_not_make_the_table_s_mean_say_nothing():
    table = THREE.table.values.assign(**{"Fuzzy Recall": [0.5, 0.5, 0.5]})
    details = THREE.table.details
    text = "Seed 0 of attention scores 0.126 on Fuzzy Recall."
    assert [v.status for v in verify(text, table, details=details)] == ["unchecked"]


@pytest.fixture(scope="module")
def nine():
    folder = next(RECORDS.glob("*-core-nine-rules"))
    details = from_trials(pd.read_csv(folder / "trials.csv.gz"))
    return Reader(ScoreTable(pd.read_csv(folder / "results.csv", index_col=0), details))


def test_every_cell_of_a_record_seed_by_seed(nine):
    known, table = nine.table.details.seed_scores, nine.table
    for row in table.models:
        for column in table.tasks:
            cell = known[(known["row"] == row) & (known["column"] == column)].sort_values("seed")
            said = " ".join(
                f"Seed {s} of {row} scores {x:.3f} on {column}."
                for s, x in zip(cell["seed"], cell["score"], strict=True)
            )
            assert statuses(said, nine) == ["confirmed"] * 3


def test_the_seeds_of_a_record(nine):
    true = "On Fuzzy Recall the seeds of attention score 0.126, 0.937 and 0.968."
    assert statuses(true, nine) == ["confirmed"]
    assert statuses(true.replace("0.937", "0.947"), nine) == ["refuted"]
    average = "The seeds of attention average 0.813, 0.951 and 0.945 over the six tasks."
    assert "refuted" not in statuses(average, nine)
    assert statuses("On Average, seed 0 of attention scores 0.813.", nine) == ["confirmed"]
    assert statuses("On Average, seed 0 of attention scores 0.903.", nine) == ["refuted"]
