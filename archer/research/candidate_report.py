"""The analyst's report of one candidate: validation scores only, every claim in it checked."""

from collections.abc import Iterable, Sequence

import pandas as pd

from archer.mad.results import Results
from archer.mad.settings import COLUMNS, TASKS
from archer.report.claims import Verdict, verify
from archer.report.claims.details import from_trials
from archer.report.findings import findings
from archer.report.insights import insights
from archer.report.notes import notes
from archer.report.phrases import plain
from archer.report.sections import grouped
from archer.report.study import Study
from archer.report.tables import cells, differences, markdown_table
from archer.research.entries import Entry
from archer.research.lab import only_validation
from archer.research.verdict import Verdict as GateVerdict


def candidate_report(
    entry: Entry,
    gates: Sequence[GateVerdict],
    stage: str,
    results: Results | None,
    expected: pd.DataFrame,
) -> str:
    """The report as Markdown.

    results: of the candidate, its parent and the baselines on that stage, None if it never got
    there. expected: its rows of `archer.research.predict.predictions`.
    """
    parts = [
        f"# {entry.name} ({entry.id})",
        _bullets(
            (
                f"proposed by `{entry.proposal.proposer}` as a child of `{entry.parent}`",
                f"{entry.outcome}: {one(entry.reason)}",
            )
        ),
        "## Reasons given",
        one(entry.proposal.motivation) or "None.",
        f"Bottleneck addressed: {one(entry.proposal.bottleneck) or 'none named'}.",
        "## Source",
        f"```python\n{entry.source.replace('```', chr(39) * 3).rstrip()}\n```",
        "## Gates",
        _gates(entry, gates),
    ]
    if results is not None:
        study = Study.of(only_validation(results))
        parts += _measured(entry, stage, study, expected)
    return "\n\n".join(parts) + "\n"


def _measured(entry: Entry, stage: str, study: Study, expected: pd.DataFrame) -> list[str]:
    found = findings(study)
    gaps = differences(study)
    said = [
        f"## Validation scores on {stage}",
        "Macro accuracy on validation data, which the search chooses by.",
        markdown_table(cells(study)),
        *([] if gaps is None else ["Difference to `delta`:", markdown_table(gaps)]),
        "## What the numbers say",
        *(
            text
            for heading, about, part in grouped(study, found)
            for text in (f"### {heading}", about, _bullets(finding.text for finding in part))
            if text
        ),
        _bullets(plain(phrase) for phrase in insights(study, found)),
        "## Keep in mind",
        _bullets(notes(study)) or "Nothing more.",
    ]
    text = "\n\n".join(said)
    return [
        text,
        "## Expected and measured",
        _expected(expected),
        "## Claims checked",
        _checked("This report", _verdicts(text, study)),
        _checked("The reasons given", _verdicts(one(entry.proposal.motivation), study)),
    ]


def _verdicts(text: str, study: Study) -> list[Verdict]:
    return verify(text, study.table, details=from_trials(study.trials))


def _checked(what: str, verdicts: Sequence[Verdict]) -> str:
    """How many statements hold, and those that do not."""
    if not verdicts:
        return f"{what} says nothing about scores that could be checked."
    statuses = [verdict.status for verdict in verdicts]
    counts = ", ".join(f"{statuses.count(s)} {s}" for s in dict.fromkeys(statuses))
    lines = [f"{what}: {len(verdicts)} statements about scores, {counts}."]
    lines += [f"- refuted: {one(v.text)}" for v in verdicts if v.status == "refuted"]
    return "\n".join(lines)


def _expected(found: pd.DataFrame) -> str:
    if found.empty:
        return "Nothing was expected, or nothing measured."
    rows = {
        COLUMNS[task]: [f"{row['expected']:+.3f}", f"{row['observed']:+.3f}"]
        for task in TASKS
        for _, row in found[found["task"] == task].iterrows()
    }
    return "Change against the parent:\n\n" + markdown_table(
        pd.DataFrame.from_dict(rows, orient="index", columns=["expected", "measured"])
    )


def _gates(entry: Entry, gates: Sequence[GateVerdict]) -> str:
    marks = {True: "passed", False: "FAILED", None: "not reached"}
    rows = {g.gate: [marks[g.passed], f"{g.seconds:.1f}", one(g.reason)[:200]] for g in gates}
    if not rows:
        return "Not gated."
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=["verdict", "seconds", "why"])
    held = f"\n\nConfined by: {', '.join(entry.protection)}." if entry.protection else ""
    return markdown_table(frame) + held


def one(text: str) -> str:
    """One line, harmless in Markdown and tables: a proposer may have written anything."""
    flat = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return flat.replace("|", "/").replace("<", "‹").replace("`", "'")


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)
