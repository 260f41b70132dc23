"""Our rows next to published ones: the difference, and whether it is within our noise."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas as pd

from archer.errors import ArcherError
from archer.mad.presets import CHOSEN
from archer.mad.settings import COLUMNS
from archer.report.csv_file import read_csv
from archer.report.facts import AVERAGE
from archer.report.phrases import signed
from archer.report.study import Study
from archer.report.tables import number

PUBLISHED = Path(__file__).parent / "published"
WHOLE = "mad"  # the preset whose scores published tables can be held against
NAMES = {"deltanet": "delta", "gated deltanet": "gated_delta", "transformer": "attention"}
TASKS = tuple(COLUMNS.values())


@dataclass(frozen=True)
class Published:
    """One row of a published table; scores by column of ours, nan where there is none."""

    source: str
    model: str
    scores: dict[str, float]
    note: str

    def score(self, column: str) -> float:
        """A score; the Average is the plain mean of the six."""
        if column != AVERAGE:
            return self.scores[column]
        return sum(self.scores.values()) / len(TASKS)


@cache
def known() -> tuple[Published, ...]:
    """The tables that come with Archer, each row with its source."""
    names = ("experiments.csv", "papers.csv")
    return tuple(row for name in names for row in read_published(PUBLISHED / name))


def read_published(path: Path) -> list[Published]:
    """Rows of a CSV with a column `model` and the tasks' columns; `source` and `note` if it has.

    A table like results.csv, names in a first column without a heading, is read too. Raises
    ArcherError when the file cannot be read or lacks a column.
    """
    try:
        frame = read_csv(path)
    except FileNotFoundError:
        raise ArcherError(f"no table at {path}; give a CSV of published scores") from None
    frame = frame.rename(columns={"Unnamed: 0": "model"})
    for name in ("model", *TASKS):
        if name not in frame:
            needed = ", ".join(("model", *TASKS))
            raise ArcherError(f"{path} lacks the column {name!r}; it needs {needed}")
    scores = frame[list(TASKS)].apply(pd.to_numeric, errors="coerce")
    if ((scores < 0) | (scores > 1)).any(axis=None):
        raise ArcherError(f"{path} holds scores outside 0 to 1: give accuracies, not percent")
    texts = frame.reindex(columns=["source", "model", "note"]).astype(object).fillna("")
    return [
        Published(
            str(row["source"]) or path.stem,
            str(row["model"]),
            {task: float(scores[task].iloc[i]) for task in TASKS},
            str(row["note"]),
        )
        for i, row in enumerate(texts.to_dict("records"))
    ]


@dataclass(frozen=True)
class Line:
    """A row of the table: a rule's own scores, or below them what was published of it.

    cells: a score as text, and what ours is to it; origin: "ours, protocol strict", or a source.
    """

    rule: str
    name: str
    published: bool
    cells: tuple[tuple[str, str], ...]
    origin: str


def lines(study: Study, more: Sequence[Published] = ()) -> list[Line]:
    """Each rule that was published, and below it what was published of it.

    The tables that come with Archer are held against the preset they are of; `more` against any.
    """
    rows = [*(known() if _whole(study) else ()), *more]
    found: list[Line] = []
    for rule in study.rules:
        theirs = [row for row in rows if _rule(row.model, study) == rule]
        if theirs:
            ours = tuple((number(study.score(rule, column)), "") for column in study.columns)
            origin = f"ours, protocol {study.protocol}"
            found.append(Line(rule, study.rows[rule], False, ours, origin))
        found += [_published(study, rule, row) for row in theirs]
    return found


def beside(study: Study, more: Sequence[Published] = ()) -> pd.DataFrame | None:
    """`lines` as a table of text; None where there are none."""
    found = lines(study, more)
    if not found:
        return None
    text = [
        [*(f"{score} ({held})" if held else score for score, held in line.cells), line.origin]
        for line in found
    ]
    names = [f"{line.name}, published" if line.published else line.name for line in found]
    return pd.DataFrame(text, index=names, columns=[*study.columns, "from"])


_LEGEND = (
    "Beside a published score ours minus theirs: `within` where their value lies in our 95 % "
    "interval over seeds, `outside` where it does not, neither where one seed gives none. Their "
    "seeds, sizes and choices are their own, as far as they state them."
)


def legend(study: Study) -> str:
    """How to read the table."""
    if _whole(study):
        return _LEGEND
    return f"{_LEGEND} Preset `{study.preset}` is not the whole benchmark, which theirs are of."


def _whole(study: Study) -> bool:
    """Whether it is of the whole benchmark, perhaps at chosen rates."""
    return study.preset.removesuffix(CHOSEN) == WHOLE


def _rule(model: str, study: Study) -> str | None:
    """The rule of ours that a published name means."""
    for rule, row in study.rows.items():
        if model in (rule, row) or NAMES.get(model.strip().lower()) == rule:
            return rule
    return None


def _published(study: Study, rule: str, row: Published) -> Line:
    cells = tuple(_cell(study, rule, column, row.score(column)) for column in study.columns)
    origin = "; ".join(text for text in (row.source, row.note) if text)
    return Line(rule, row.model, True, cells, origin)


def _cell(study: Study, rule: str, column: str, theirs: float) -> tuple[str, str]:
    """ "0.422" and "ours +0.019, within"."""
    if math.isnan(theirs):
        return "none", ""
    facts = study.facts[rule, column]
    if math.isnan(facts.score):
        return f"{theirs:.3f}", "ours has no score"
    verdict = ""
    if not math.isnan(facts.low):
        verdict = ", within" if facts.low <= theirs <= facts.high else ", outside"
    return f"{theirs:.3f}", f"ours {signed(facts.score - theirs)}{verdict}"
