"""Writes what a session leaves in its folder: a report per candidate, summary.md, research.html."""

from pathlib import Path

from archer.files import prepare_folder, write_whole
from archer.mad.results import Results
from archer.research.candidate_report import candidate_report
from archer.research.entries import Entry
from archer.research.lab import Lab, builtin, subject
from archer.research.ledger import Ledger
from archer.research.overview import Overview
from archer.research.page import page
from archer.research.stages import BASELINES
from archer.research.summary import summary
from archer.rules.load import BUILTIN

REPORTS = "candidates"


def write_summary(overview: Overview, folder: Path) -> list[Path]:
    """The paths written, each whole."""
    return [
        write_whole(folder / "summary.md", summary(overview)),
        write_whole(folder / "research.html", page(overview)),
    ]


def write_candidate(
    ledger: Ledger, overview: Overview, lab: Lab, entry: Entry, folder: Path
) -> None:
    """The report of one candidate and its source; nothing where no proposal came."""
    if text := candidate_text(ledger, overview, lab, entry):
        prepare_folder(folder / REPORTS)
        write_whole(report_path(entry, folder), text)


def candidate_text(ledger: Ledger, overview: Overview, lab: Lab, entry: Entry) -> str:
    """The report of one candidate, "" where no proposal came."""
    if not entry.source:
        return ""
    stage = entry.stage
    results = _results(ledger, overview, lab, entry, stage) if stage else None
    expected = overview.predicted[overview.predicted["rule"] == entry.id]
    return candidate_report(entry, ledger.verdicts(entry), stage, results, expected)


def report_path(entry: Entry, folder: Path) -> Path:
    """Where a candidate's report lies."""
    return folder / REPORTS / f"{entry.id}.md"


def _results(
    ledger: Ledger, overview: Overview, lab: Lab, entry: Entry, stage: str
) -> Results | None:
    """Its trials on a stage beside its parent's and the baselines'; None without any score."""
    if stage == "smoke" and overview.stage != "smoke":
        return None  # alone there: it was only weeded
    parents = {e.id: e for e in ledger.entries() if e.graph is not None}
    names = [name for name in dict.fromkeys([*BASELINES, entry.parent]) if name in BUILTIN]
    others = [parents[entry.parent]] if entry.parent in parents else []
    subjects = [*map(builtin, names), *map(subject, [*others, entry])]
    found = lab.found(subjects, stage, overview.session.settings.seeds)
    own = found.trials[found.trials["rule"] == entry.name]
    return found if own["validation_accuracy"].notna().any() else None
