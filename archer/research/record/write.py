"""A search's record: what the store has of it as a folder of text, written whole or not at all."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from archer.errors import ArcherError
from archer.files import prepare_folder
from archer.mad.scoring import select
from archer.mad.trial import PROTOCOL_VERSION
from archer.record.folder import json_bytes, new_folder, sizes, whole_folder, zipped
from archer.record.write import Made, commands_of, curves_that_fit, day, told_runs
from archer.report.files import csv_text
from archer.report.record import MISSING
from archer.research.files import REPORTS, candidate_text
from archer.research.ledger import Ledger
from archer.research.overview import Overview
from archer.research.record.about import machines
from archer.research.record.computed import computed
from archer.research.record.read import FORMAT, PLAN, TRIALS, entry_to_json, load, session_to_json
from archer.research.record.trials import curves, gather
from archer.research.scores import SCORES
from archer.research.start import lab_of
from archer.store import open_store
from archer.store.look import trained_by

SPLITS = ("validation", "test")


def make_search_record(
    address: str | Path,
    *,
    name: str | None = None,
    out: Path = Path("records"),
    partial: bool = False,
    commands: Sequence[str] = (),
) -> Made:
    """Write `out`/DATE-NAME from the folder or store of a search; DATE is the day of its last run.

    All sessions of the store are in it; the summary is the last one's. name: by default
    search-PRESET. partial: also of a search that has not ended. commands: instead of those the
    store knows. Raises ArcherError for a store that cannot be read, a search that has not ended,
    trials that are missing, and for a record that is there already.
    """
    with open_store(address, create=False) as store:
        ledger = Ledger(store, create=False)
        session = ledger.sessions()[-1]
        if session.ended is None and not partial:
            raise ArcherError(
                f"{store.where}: the search has not ended: `archer research resume` continues it; "
                "or say --partial"
            )
        trials = _trials(ledger, partial)
        by = trained_by(store, sorted(set(trials["trial"])))
        runs = [run for run in store.runs() if run["id"] in set(by.values())]
        if not runs:
            raise ArcherError(f"{store.where}: nothing was trained: there is nothing to record")
        target = new_folder(out, day(runs), name or f"search-{session.settings.preset}")
        files, note = _rows(ledger, trials)
        files["environment.json"] = json_bytes({"machines": machines(told_runs(runs, by))})
        files["command.txt"] = _lines(commands or commands_of(runs))
        files |= _reports(ledger)
    with whole_folder(prepare_folder(out), target) as folder:
        _write(folder, files)
        texts = computed(load(folder))  # what a reader of the record will see
        _write(folder, {path: text.encode() for path, text in texts.items()})
    return Made(target, sizes(target), [note])


def _trials(ledger: Ledger, partial: bool) -> pd.DataFrame:
    """Behind every score. Raises ArcherError if any is missing from a record that is whole."""
    found = gather(ledger)
    lost = int((found["status"] == MISSING).sum())
    if lost and not partial:
        raise ArcherError(
            f"{lost} of {len(found)} trials are missing: `archer research resume` trains them; or "
            "say --partial"
        )
    return found


def _rows(ledger: Ledger, trials: pd.DataFrame) -> tuple[dict[str, bytes], str]:
    """What a search knows, and all else is computed from; a sentence on the curves."""
    sessions, entries, scores = ledger.sessions(), ledger.entries(), _scores(ledger)
    zipped_curves, said = curves_that_fit(curves(ledger.store, trials), _selected(trials))
    dialogues = {e.id: found for e in entries if (found := ledger.dialogue(e))}
    plan = {
        "format": FORMAT,
        "protocol_version": PROTOCOL_VERSION,
        "sessions": [session_to_json(each) for each in sessions],
        "candidates": len(entries),
        "dialogues": sum(map(len, dialogues.values())),
        "scores": len(scores),
        "trials": len(trials),
        "missing": int((trials["status"] == MISSING).sum()),
        "curves": said,
    }
    told = [entry_to_json(entry, ledger.verdicts(entry)) for entry in entries]
    graphs = {e.name: e.graph.to_json() for e in entries if e.graph is not None}
    return {
        PLAN: json_bytes(plan),
        "candidates.json": json_bytes(told),
        "scores.csv": csv_text(scores).encode(),
        TRIALS: zipped(csv_text(trials)),
        **({} if zipped_curves is None else {"curves.csv.gz": zipped_curves}),
        **({"dialogues.json.gz": zipped(json_bytes(dialogues).decode())} if dialogues else {}),
        **{f"rules/{name}.json": json_bytes(graph) for name, graph in graphs.items()},
    }, said


def _scores(ledger: Ledger) -> pd.DataFrame:
    """What the search knew, and at its end what was read of test data."""
    found = [
        ledger.scores(session.id, split).assign(session=session.id)
        for session in ledger.sessions()
        for split in SPLITS
    ]
    return pd.concat(found, ignore_index=True)[["session", *SCORES]]


def _selected(trials: pd.DataFrame) -> pd.DataFrame:
    parts = trials.groupby(["preset", "precision"], sort=False)
    return pd.concat([select(part, "strict") for _, part in parts])


def _reports(ledger: Ledger) -> dict[str, bytes]:
    """Of every candidate with a source."""
    found = {}
    for session in ledger.sessions():
        overview, lab = Overview.load(ledger, session), lab_of(ledger, session.settings)
        for entry in overview.entries:
            if text := candidate_text(ledger, overview, lab, entry):
                found[f"{REPORTS}/{entry.id}.md"] = text.encode()
    return found


def _lines(commands: Sequence[str]) -> bytes:
    return "".join(f"{line}\n" for line in commands).encode()


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for path, data in files.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(data)
