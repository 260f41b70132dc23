"""The corpus of labelled statements and how a checker is scored on it."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

from archer.report.claims.check import read_with
from archer.report.claims.skeleton import Reader
from archer.report.claims.table import ScoreTable

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True)
class Example:
    table: str
    label: str
    text: str


def read(name: str) -> list[Example]:
    """The examples of a batch; "## table" begins those of data/table.csv."""
    examples, table = [], ""
    for line in (DATA / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            table = line[3:]
        elif line and not line.startswith("#"):
            label, _, text = line.partition("\t")
            examples.append(Example(table, label, text.replace("\\n", "\n")))
    return examples


@cache
def reader(table: str) -> Reader:
    return Reader(ScoreTable(pd.read_csv(DATA / f"{table}.csv")))


def statuses(example: Example) -> set[str]:
    return {verdict.status for verdict in read_with(reader(example.table), example.text)}


def score(examples: list[Example]) -> tuple[float, float, list[str]]:
    """(precision of "refuted", recall of false statements, what went wrong)."""
    hits = alarms = 0
    wrong = []
    for example in examples:
        refuted = "refuted" in statuses(example)
        hits += refuted and example.label == "false"
        alarms += refuted and example.label != "false"
        if refuted != (example.label == "false"):
            wrong.append(f"{example.table}: {example.label}: {example.text}")
    false = sum(example.label == "false" for example in examples)
    return hits / max(1, hits + alarms), hits / false, wrong
