"""A record of a search as it lies in its folder. See docs/records.md."""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from archer.errors import ArcherError
from archer.report.csv_file import read_csv
from archer.report.record_file import read_json, read_text
from archer.research.entries import (
    Arm,
    Entry,
    Session,
    entry_of,
    proposal_json,
    session_of,
    the_entry,
)
from archer.research.verdict import Verdict

PLAN, TRIALS = "research.json", "search_trials.csv.gz"
FORMAT = 1
NOT_KEPT = ("environment", "graph", "protection", "proposal")  # of a row: elsewhere, or no JSON yet


@dataclass(frozen=True)
class SearchRecord:
    """Reads as a ledger does. plan: research.json. told: candidates.json, by id."""

    folder: Path
    plan: Mapping[str, Any]
    told: Mapping[str, Mapping[str, Any]]
    table: pd.DataFrame

    @property
    def where(self) -> str:
        return str(self.folder)

    def sessions(self) -> list[Session]:
        return list(self._sessions)

    def entries(self, session: int | None = None, arm: Arm | None = None) -> list[Entry]:
        return [
            entry
            for entry in self._entries
            if session in (None, entry.session) and arm in (None, entry.arm)
        ]

    def entry(self, id: str) -> Entry:
        return the_entry(id, self._entries, self.where)

    def verdicts(self, entry: Entry) -> list[Verdict]:
        return [Verdict(**verdict) for verdict in self.told[entry.id]["verdicts"]]

    def dialogue(self, entry: Entry) -> list[Any]:
        return list(self._dialogues.get(entry.id, ()))

    def scores(self, session: int, split: str = "validation") -> pd.DataFrame:
        here = (self.table["session"] == session) & (self.table["split"] == split)
        return self.table[here].drop(columns="session").reset_index(drop=True)

    @cached_property
    def machines(self) -> list[dict[str, Any]]:
        """environment.json's."""
        found: list[dict[str, Any]] = read_json(self.folder / "environment.json")["machines"]
        return found

    @cached_property
    def commands(self) -> list[str]:
        """Lines of command.txt."""
        return read_text(self.folder / "command.txt").splitlines()

    @cached_property
    def _sessions(self) -> list[Session]:
        return [session_from_json(each) for each in self.plan["sessions"]]

    @cached_property
    def _entries(self) -> list[Entry]:
        return [entry_from_json(each, self._graph(each)) for each in self.told.values()]

    def _graph(self, told: Mapping[str, Any]) -> dict[str, Any] | None:
        """Of a rule that passed the gates."""
        return read_json(self.folder / "rules" / f"{told['name']}.json") if told["hash"] else None

    @cached_property
    def _dialogues(self) -> dict[str, list[Any]]:
        if not self.plan["dialogues"]:
            return {}
        path = self.folder / "dialogues.json.gz"
        found: dict[str, list[Any]] = json.loads(gzip.decompress(path.read_bytes()))
        return found


def is_search_record(folder: Path) -> bool:
    """Whether a folder is the record of a search, whole or not."""
    return (folder / PLAN).is_file()


def load(folder: Path) -> SearchRecord:
    """Raises ArcherError for files that are missing, damaged, newer or do not fit together."""
    plan = read_json(folder / PLAN)
    if plan.get("format") != FORMAT:
        raise ArcherError(
            f"{folder / PLAN} has format {plan.get('format')!r}, this Archer knows {FORMAT}: "
            "update Archer, or the record is damaged"
        )
    try:
        told = json.loads(read_text(folder / "candidates.json"))
        found = SearchRecord(folder, plan, {each["id"]: each for each in told}, scores_of(folder))
        whole = len(found.told) == plan["candidates"] and len(found.table) == plan["scores"]
        whole = whole and bool(found.sessions()) and len(found.entries()) == len(told)
        said = sum(len(found.dialogue(entry)) for entry in found.entries())
        whole = whole and said == plan["dialogues"]
        whole = whole and found.machines is not None and found.commands is not None
        for entry in found.entries():
            found.verdicts(entry)
    except (KeyError, TypeError, ValueError, AttributeError, OSError, EOFError) as error:
        raise ArcherError(f"{folder} is damaged: {error!r}") from None
    if not whole:
        raise ArcherError(f"{folder}: its candidates, messages or scores are not those of {PLAN}")
    return found


def scores_of(folder: Path) -> pd.DataFrame:
    """scores.csv: session, rule, stage, split, task, seed, accuracy."""
    try:
        found = read_csv(folder / "scores.csv")
    except FileNotFoundError:
        raise ArcherError(f"{folder} holds no scores.csv: it is no whole record") from None
    return found.astype({"rule": str, "seed": int, "accuracy": float})


def session_to_json(session: Session) -> dict[str, Any]:
    """Everything but what it ran on, which environment.json tells."""
    row = asdict(session)
    del row["environment"]
    return row | {"settings": session.settings.to_json()}


def session_from_json(data: Mapping[str, Any]) -> Session:
    texts = {name: json.dumps(data[name]) for name in ("settings", "costs", "reached")}
    return session_of({**data, **texts, "environment": "{}"})


def entry_to_json(entry: Entry, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Everything but the graph, which has a file of its own, and the dialogue."""
    row = {name: value for name, value in vars(entry).items() if name not in (*NOT_KEPT, "knobs")}
    return row | {
        "cost": None if entry.cost != entry.cost else entry.cost,
        "proposal": json.loads(proposal_json(entry.proposal)),
        "protection": list(entry.protection),
        "verdicts": [asdict(verdict) for verdict in verdicts],
    }


def entry_from_json(data: Mapping[str, Any], graph: Mapping[str, Any] | None) -> Entry:
    row = {name: value for name, value in data.items() if name != "verdicts"}
    texts = {name: json.dumps(data[name]) for name in ("proposal", "protection")}
    return entry_of({**row, **texts, "graph": None if graph is None else json.dumps(graph)})
