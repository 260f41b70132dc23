"""The whole report, claim by claim."""

import re
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd

from archer.errors import ArcherError
from archer.report.claims import cells, sentences
from archer.report.claims.clause import Context
from archer.report.claims.combine import speaks_of
from archer.report.claims.details import Details, from_cells, from_trials
from archer.report.claims.grammar import PREDICTION_HEADING
from archer.report.claims.mentions import Mention
from archer.report.claims.skeleton import Reader
from archer.report.claims.statements import Statement
from archer.report.claims.table import ScoreTable
from archer.report.claims.text import Block, blocks
from archer.report.claims.verdict import ABSENT, UNCLEAR, Outcome, Verdict


def verify(
    report_text: str, table: pd.DataFrame, *, details: Details | None = None
) -> list[Verdict]:
    """Every quantitative or comparative statement of a report, held against a table of scores.

    table: one row per model (named by the index or the first text column), one numeric column per
    task in [0, 1] or percent; Average is computed when absent, but not of some of MAD's six tasks.
    Raises ArcherError when there is no such column.
    """
    return read_with(Reader(ScoreTable(table, details)), report_text)


def read_with(reader: Reader, report_text: str) -> list[Verdict]:
    """`verify` for several reports on one table, whose names are then compiled once."""
    return list(_verdicts(blocks(report_text), reader))


def verify_file(report: Path, table: Path) -> list[Verdict]:
    """`verify` for files. table: a results.csv, or a folder with it (trials and cells).

    Raises ArcherError when a file is missing or cannot be read as what it should be.
    """
    report, table = Path(report), Path(table)
    text = _text(report)
    if not table.is_dir():
        return verify(text, _frame(table))
    return verify(text, _frame(table / "results.csv"), details=_details(table))


def _details(folder: Path) -> Details:
    """What a folder adds to its table. Raises ArcherError for a record that has a gap."""
    found, cells = Details(), folder / "cells.csv"
    trials = next((p for n in ("trials.csv", "trials.csv.gz") if (p := folder / n).is_file()), None)
    if trials is not None:
        from archer.report.record import check_record  # loads torch, which a table does not need
        from archer.report.trial_columns import check_columns

        frame = _frame(trials)
        check_record(folder, frame)
        check_columns(folder, frame)
        found = from_trials(frame)
    return replace(found, cells=from_cells(_frame(cells))) if cells.is_file() else found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ArcherError(
            f"no report at {path}; give the path of a Markdown or text file"
        ) from None
    except (IsADirectoryError, UnicodeDecodeError, PermissionError):
        raise ArcherError(
            f"{path} is not a readable text file; give a Markdown or text file"
        ) from None


def _frame(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path)
    except FileNotFoundError:
        raise ArcherError(
            f"no table at {path}; give a results.csv or a folder that holds one"
        ) from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, PermissionError):
        raise ArcherError(f"{path} is not a CSV table of scores") from None
    except (OSError, EOFError, zlib.error):
        raise ArcherError(f"{path} cannot be read: it is damaged or not gzipped") from None


def _verdicts(parts: list[Block], reader: Reader) -> Iterator[Verdict]:
    headings: list[tuple[int, Context, bool]] = [(0, _whole(reader.table), False)]
    context, paragraph = headings[0][1], -1
    for part in parts:
        if part.kind == "heading":
            headings = [h for h in headings if h[0] < part.level]
            headings.append((part.level, _topic(part.text, reader), _is_plan(part.text)))
            context = _merged([h[1] for h in headings])
            yield from _sentence_verdicts(part, reader, context, False)[0]
            continue
        planned = any(h[2] for h in headings)
        if part.kind == "table":
            yield from _table_verdicts(part, reader, context, planned)
            continue
        if part.paragraph != paragraph:
            paragraph = part.paragraph
            context = _merged([h[1] for h in headings] + [_lasting(context)])
        found, context = _sentence_verdicts(part, reader, context, planned)
        yield from found


def _whole(table: ScoreTable) -> Context:
    """Of a table of one task every sentence is about that task, unless it names another."""
    only = table.absent and len(table.tasks) == 1
    return Context(tasks=Mention((table.tasks,))) if only else Context()


def _lasting(context: Context) -> Context:
    return Context(None, None, context.base)


def _topic(heading: str, reader: Reader) -> Context:
    """The one model and the one task that a heading names."""
    s = reader.read(heading)
    models = [m for m in s.models if m.single]
    tasks = [t for t in s.tasks if t.single]
    return Context(models[0] if len(models) == 1 else None, tasks[0] if len(tasks) == 1 else None)


def _is_plan(heading: str) -> bool:
    return bool(PREDICTION_HEADING.search(heading)) and not re.search(
        r"against measured|vs\.? measured|measured|outcome", heading, re.IGNORECASE
    )


def _merged(contexts: list[Context]) -> Context:
    """The innermost heading that names a subject or a task decides it."""
    merged = Context()
    for context in contexts:
        merged = Context(
            context.subject or merged.subject,
            context.tasks or merged.tasks,
            context.base or merged.base,
        )
    return merged


def _sentence_verdicts(
    part: Block, reader: Reader, context: Context, planned: bool
) -> tuple[list[Verdict], Context]:
    found, after = sentences.find(part.text, reader, context)
    verdicts = []
    for claim in found:
        note = "prediction" if planned else claim.note
        statement = None if planned else claim.statement
        verdicts.append(_verdict(part.line, part.raw, statement, note, reader.table))
    base = _declared_base(part.text, reader)
    return _distinct(verdicts), after if base is None else replace(after, base=base)


def _declared_base(text: str, reader: Reader) -> Mention | None:
    """ "All differences are relative to M" holds for what follows."""
    if not re.search(
        r"\b(?:differences|deltas|changes|gains|Δ|comparisons|everything|numbers)\b"
        r"[^.]*\b(?:are|is|given|shown|reported|stated|computed|measured)\b"
        r"[^.]*\b(?:relative to|against|versus|vs\.?|with respect to|compared (?:to|with)|from)\b",
        text,
        re.IGNORECASE,
    ):
        return None
    s = reader.read(text)
    alone = len(s.models) == 1 and s.models[0].single and not s.figures and not s.tasks
    return s.models[0] if alone else None


def _table_verdicts(
    part: Block, reader: Reader, context: Context, planned: bool
) -> Iterator[Verdict]:
    for claim in cells.find(part.rows, reader, context):
        if part.drawn and claim.statement is None:
            continue
        statement = None if planned else claim.statement
        note = "prediction" if planned else claim.note
        yield _verdict(claim.cell.line, claim.cell.raw, statement, note, reader.table)


def _verdict(
    line: int, text: str, statement: Statement | None, note: str | None, table: ScoreTable
) -> Verdict:
    outcome: Outcome = UNCLEAR
    if statement is not None:
        outcome = ABSENT if speaks_of(statement, table.absent) else statement.judge(table)
    return Verdict(line, text, outcome.status, outcome.stated, outcome.actual, note or outcome.note)


def _distinct(verdicts: list[Verdict]) -> list[Verdict]:
    """One "unchecked" per sentence is enough, and none beside a prediction's."""
    kept = list(dict.fromkeys(verdicts))
    return kept
