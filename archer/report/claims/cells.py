"""Tables inside a report: every number in them is a claim."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from archer.report.claims.by_seed import Scores
from archer.report.claims.clause import Context
from archer.report.claims.combine import Any
from archer.report.claims.details import Over
from archer.report.claims.deviations import OverSeeds
from archer.report.claims.figures import Figure
from archer.report.claims.mentions import Mention, Skeleton
from archer.report.claims.picks import Pick
from archer.report.claims.skeleton import Reader
from archer.report.claims.statements import Change, Rank, Statement, Value
from archer.report.claims.table import AVERAGE, ScoreTable
from archer.report.claims.text import Cell

_DIFFERENCE = re.compile(
    r"(?:δ|\bdelta\b|\bdiff(?:erence)?s?\b|\bchange\b|\bgain\b|\bvs\.?|"
    r"\bversus\b|\bgap\b|relative to|\bimprovement\b|compared|\blift\b|"
    r"\bm\d+ ?[-−–] ?m\d+)",
    re.IGNORECASE,
)
_BEST = re.compile(
    r"\b(?:best|winner|top|leader|strongest|worst|weakest|lowest|highest)\b", re.IGNORECASE
)
_POINTS = re.compile(r"\b(?:pp|ppts?|points?|pts)\b|%", re.IGNORECASE)
_SCORE = re.compile(r"\b(?:score|accuracy|acc|value|result|mean|performance)\b", re.IGNORECASE)
_NOT_SCORES = re.compile(
    r"\b(?:std|sd|ci|seeds?|rank|params?|time|seconds|n|lr|wd|loss|ppl|p|p-value|low|high)\b|±|σ"
)
_OVER_SEEDS: dict[str, Over] = {"std": "sd", "σ": "sd"}
_OVER_SEEDS |= {"sd": "sd", "low": "low", "high": "high"}
_PREDICTED = re.compile(
    r"\b(?:expected|predicted|target|hypothes\w*|planned|hoped)\b", re.IGNORECASE
)
_OF_OTHERS = re.compile(
    r"\b(?:published|papers?|literature|independent|reported|theirs|reproduc\w*|replicat\w*)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class CellClaim:
    """A statement found in a cell; None where a number's meaning is not clear."""

    cell: Cell
    statement: Statement | None
    note: str | None = None


@dataclass(frozen=True)
class _Head:
    """What a header or a row's first cell names."""

    text: str
    model: str | None = None
    task: str | None = None
    difference: bool = False
    models: tuple[str, ...] = ()
    picks: tuple[Pick, ...] = ()


def find(rows: list[list[Cell]], reader: Reader, context: Context) -> Iterator[CellClaim]:
    """Claims of a table, whichever way round it is."""
    if len(rows) < 2:
        return
    heads = [_head(cell.text, reader) for cell in rows[0]]
    base = next((h.models[-1] for h in heads if h.difference and h.models), None)
    for row in rows[1:]:
        label = _head(row[0].text, reader) if row else _Head("")
        if not label.model and not label.task:
            found = _labels_further_right(row, heads, reader)
            label = found or label
        for cell, head in zip(row, heads, strict=False):
            yield from _cell(cell, _place(head, label, heads, context, base), reader)


def _labels_further_right(row: list[Cell], heads: list[_Head], reader: Reader) -> _Head | None:
    """A first column of ranks or numbers: the name stands in the second."""
    if len(row) > 1 and (re.fullmatch(r"\W*\d*\W*", row[0].text) or not row[0].text):
        return _head(row[1].text, reader)
    return None


def _head(text: str, reader: Reader) -> _Head:
    s = reader.read(text)
    models = tuple(m.names[0] for m in s.models if m.single)
    tasks = tuple(t.names[0] for t in s.tasks if t.single)
    difference = bool(_DIFFERENCE.search(s.text)) and not re.fullmatch(r"\W*delta\W*", text.lower())
    model = models[0] if len(models) == 1 and not difference else None
    task = tasks[0] if len(tasks) == 1 else None
    return _Head(text, model, task, difference, models, tuple(s.picks))


@dataclass(frozen=True)
class _Place:
    """Where a cell stands: its header and row label, and the model and task they come to."""

    head: _Head
    label: _Head
    heads: list[_Head]
    model: str | None
    task: str | None
    base: str | None


def _place(
    head: _Head, label: _Head, heads: list[_Head], context: Context, base: str | None
) -> _Place:
    model, task = head.model or label.model, head.task or label.task
    if head.text.lower() == "mean" and sum(h.task is not None for h in heads) == 1:
        task = label.task or (context.tasks.single if context.tasks else None) or task  # over seeds
    if (
        task is None
        and context.tasks is not None
        and (_SCORE.search(head.text) or head.text.lower() in _OVER_SEEDS or head.picks)
    ):
        task = context.tasks.single
    whole_row = label.task is not None or not label.text.strip()  # else: a row of another model
    if model is None and whole_row and (head.difference or task) and context.subject is not None:
        model = context.subject.single
    return _Place(head, label, heads, model, task, base)


def _cell(cell: Cell, place: _Place, reader: Reader) -> Iterator[CellClaim]:
    s, head, label = reader.read(cell.text), place.head, place.label
    if not s.figures:
        if s.models and _BEST.search(head.text):
            yield CellClaim(cell, _best(s, head, label, reader.table))
        return
    which = _OVER_SEEDS.get(head.text.lower())
    if which and place.model and place.task and len(s.figures) == 1:
        if reader.table.details.over_seeds(place.model, place.task, which):
            yield CellClaim(cell, OverSeeds(((place.model, place.task),), which, s.figures[0]))
        return
    if picks := (*head.picks, *label.picks):
        yield from _of_seeds(cell, s, place, picks)
        return
    plain = re.sub(r"(?:pp|to|vs\.?|from)", "", s.text)
    if not re.fullmatch(r"[\s()NM\d→,./|*↑↓±:;-]*", plain) or _NOT_SCORES.search(head.text.lower()):
        return
    if head.model and label.model and head.model != label.model:
        return
    if _PREDICTED.search(head.text + " " + label.text):
        yield CellClaim(cell, None, "prediction")
        return
    if _OF_OTHERS.search(head.text + " " + label.text):  # of a table that is not here
        yield CellClaim(cell, None)
        return
    in_points = bool(_POINTS.search(head.text + label.text)) and (
        head.difference or label.difference
    )
    for i, figure in enumerate(s.figures):
        if in_points and figure.unit == "":
            figure = replace(figure, unit="pp")
        statement = _meaning(figure, i, s, place, reader.table)
        if statement is not None or (place.task and label.text and place.model is None):
            yield CellClaim(cell, statement)


def _of_seeds(
    cell: Cell, s: Skeleton, place: _Place, picks: tuple[Pick, ...]
) -> Iterator[CellClaim]:
    """A column or a row of one seed; of several there is no saying what the number is."""
    if len(picks) == len(s.figures) == 1 and picks[0].one and place.model and place.task:
        yield CellClaim(cell, Scores(place.model, place.task, picks[0], (s.figures[0],)))


def _meaning(
    figure: Figure, i: int, s: Skeleton, place: _Place, table: ScoreTable
) -> Statement | None:
    """A score or a difference; None when it is not clear of what."""
    arrow = re.fullmatch(r"\W*N0 ?(?:→|to) ?N1\W*.*", s.text)
    different = place.head.difference or place.label.difference
    if different or (figure.sign and not arrow) or figure.unit == "pp":
        return _difference(figure, place, table)
    if place.model is None or place.task is None:
        return None
    if arrow and i == 0 and len(s.figures) > 1 and table.baseline and place.model != table.baseline:
        return Value(table.baseline, place.task, figure)
    return Value(place.model, place.task, figure)


def _difference(figure: Figure, place: _Place, table: ScoreTable) -> Statement | None:
    task = place.task
    if task is None and place.label.model and len(place.heads) <= 4:
        task = AVERAGE  # | model | average | difference |
    if task is None:
        return None
    pairs = [(a, b) for a, b in _pairs(place, table) if a and b and a != b]
    readings = [Change(a, b, task, figure) for a, b in pairs]
    return (readings[0] if len(readings) == 1 else Any(tuple(readings))) if readings else None


def _pairs(place: _Place, table: ScoreTable) -> list[tuple[str | None, str | None]]:
    """Which model is compared with which, in every plausible reading."""
    head, label = place.head, place.label
    against = place.base or table.baseline
    columns = [h.model for h in place.heads if h.model]
    named = head.models or (label.models if label.difference else ())
    if head.difference and len(named) == 2:
        return [(named[0], named[1]), (named[1], named[0])]
    if head.difference and len(named) == 1:
        others = [c for c in columns if c != named[0]]
        if label.model is None and place.model in (None, named[0]):
            return [(others[0], named[0])] if others else [(named[0], against)]
        return [(place.model, named[0])]
    if place.model is not None:
        return [(place.model, against)]
    return [(columns[1], columns[0]), (columns[0], columns[1])] if len(columns) == 2 else []


def _best(s: Skeleton, head: _Head, label: _Head, table: ScoreTable) -> Statement | None:
    mention: Mention = s.models[0]
    task = label.task or head.task
    if task is None or mention.single is None or len(s.models) != 1:
        return None
    if re.search(r"second|runner|2nd|variant|other|change|rule|non-", head.text.lower()):
        return None
    low = bool(re.search(r"worst|weakest|lowest", head.text.lower()))
    rank = Rank(mention.single, task, -1 if low else 1, table.models)
    return rank
