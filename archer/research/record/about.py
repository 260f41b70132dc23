"""The last section of a record's summary: what the record is, and where it was made."""

from collections.abc import Mapping, Sequence
from typing import Any

from archer.report.claims import verify
from archer.research.overview import Overview
from archer.research.record.figures import fresh_table, validation_table
from archer.research.record.read import SearchRecord

SPAN = ("run", "started", "ended", "trials")  # what differs between runs of one machine


def machines(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Runs that follow each other on one machine, device and version of the code as one."""
    found: list[dict[str, Any]] = []
    for run in runs:
        place = {name: value for name, value in run.items() if name not in SPAN}
        if not found or any(found[-1][name] != value for name, value in place.items()):
            found.append({"started": run["started"], "ended": None, "runs": 0, "trials": 0} | place)
        last = found[-1]
        last["ended"] = run["ended"] or run["started"]
        last["runs"] += 1
        last["trials"] += run["trials"]
    return found


def about(record: SearchRecord, overview: Overview, text: str) -> str:
    """In Markdown. text: the summary, whose statements about scores are checked."""
    plan = record.plan
    lines = [*map(_machine, record.machines)]
    if plan["missing"]:
        lines.append(f"partial record: {plan['missing']} of {plan['trials']} trials are missing")
    if record.sessions()[-1].ended is None:
        lines.append("partial record: the search has not ended")
    lines += [plan["curves"], _checked(text, overview)]
    commands = "\n".join(record.commands)
    listed = "\n".join(f"- {line}" for line in lines)
    return f"## This record\n\n{listed}\n\nCommands:\n\n```\n{commands}\n```\n"


def _machine(told: Mapping[str, Any]) -> str:
    card = (told.get("card") or {}).get("name") or f"{told['processors']} processors"
    versions = told.get("versions") or {}
    shown = ", ".join(
        f"{name} {versions[name]}" for name in ("archer", "torch") if name in versions
    )
    commit = f", commit {told['commit'][:12]}" if told.get("commit") else ""
    return (
        f"{told['started']} to {told['ended']}: {told['trials']} trials trained on {card}; {shown}"
        f"{commit}, code {str(told.get('code'))[:8]}"
    )


def _checked(text: str, overview: Overview) -> str:
    statuses = [status for _, status in checked(text, overview)]
    counts = ", ".join(f"{statuses.count(s)} {s}" for s in sorted(set(statuses)))
    return f"statements about scores above, checked against the tables: {counts or 'none'}"


def checked(text: str, overview: Overview) -> list[tuple[str, str]]:
    """Statements about scores with their status, each held against the table it speaks of.

    What is said of fresh seeds speaks of test data (fresh.csv), all else of validation data
    (results.csv).
    """
    found: list[tuple[str, str]] = []
    rest = text
    for stage in dict.fromkeys(claim.stage for claim in overview.claims):
        mine = [line for line in rest.splitlines() if f" on {stage}: " in line]
        rest = "\n".join(line for line in rest.splitlines() if line not in mine)
        verdicts = verify("\n\n".join(mine), fresh_table(overview, stage))
        found += [(v.text, v.status) for v in verdicts]
    return found + [(v.text, v.status) for v in verify(rest, validation_table(overview))]
