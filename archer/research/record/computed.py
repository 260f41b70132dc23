"""What of a record is computed from its rows: figures, tables, summary and picture."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archer.errors import ArcherError
from archer.files import prepare_folder, write_whole
from archer.record.folder import json_bytes
from archer.report.csv_file import read_csv
from archer.report.files import table_text
from archer.report.record_file import read_json, read_text
from archer.research.overview import Overview
from archer.research.page import page
from archer.research.record.about import about
from archer.research.record.figures import difference, figures, fresh_table, validation_table
from archer.research.record.picture import family
from archer.research.record.read import TRIALS, SearchRecord, load
from archer.research.record.trials import contradicted
from archer.research.summary import summary
from archer.rules.load import BUILTIN


@dataclass(frozen=True)
class Rebuilt:
    """The overview of a record's last session, the files written, and the first figure that the
    record gives otherwise; reworded: whether this Archer says the same in other words."""

    overview: Overview
    files: list[Path]
    difference: str | None
    reworded: bool


def computed(record: SearchRecord) -> dict[str, str]:
    """Texts by name, of the last session; the figures of every session."""
    overviews = [Overview.load(record, session) for session in record.sessions()]
    last = overviews[-1]
    text = summary(last)
    stages = dict.fromkeys(claim.stage for claim in last.claims)
    return {
        "figures.json": json_bytes({"sessions": [figures(each) for each in overviews]}).decode(),
        "results.csv": table_text(validation_table(last)),
        **{f"fresh-{stage}.csv": table_text(fresh_table(last, stage)) for stage in stages},
        "summary.md": text + "\n" + about(record, last, text),
        "family.svg": family(last),
    }


def rebuild(folder: Path, out: Path | None = None) -> Rebuilt:
    """Compute a record's figures from its rows, and its rows from its trials; with out, write it.

    Raises ArcherError for a record that is damaged or not whole.
    """
    record = load(folder)
    texts, overview = computed(record), Overview.load(record, record.sessions()[-1])
    found = _untrue(record) or difference(_figures(record), read_json(folder / "figures.json"))
    reworded = any(read_text(folder / name) != text for name, text in texts.items())
    files = []
    if out is not None:
        prepare_folder(out)
        texts["research.html"] = page(overview)
        files = [write_whole(out / name, text) for name, text in texts.items()]
    return Rebuilt(overview, files, found, reworded)


def _figures(record: SearchRecord) -> dict[str, Any]:
    return {"sessions": [figures(Overview.load(record, each)) for each in record.sessions()]}


def _untrue(record: SearchRecord) -> str | None:
    """The first score that is not what the trials give."""
    try:
        trials = read_csv(record.folder / TRIALS)
    except FileNotFoundError:
        raise ArcherError(f"{record.folder} holds no {TRIALS}: it is no whole record") from None
    if len(trials) != record.plan["trials"]:
        raise ArcherError(f"{record.folder}: it has not the trials that research.json promises")
    names = dict(zip(BUILTIN, BUILTIN, strict=True)) | {e.id: e.name for e in record.entries()}
    for session in record.sessions():
        rows = record.table[record.table["session"] == session.id]
        if found := contradicted(rows, session, trials, names):
            return found
    return None
