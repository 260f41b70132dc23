"""Promotes a candidate into a folder of rules: an ordinary rule file that says where it is from."""

import textwrap
from dataclasses import replace
from pathlib import Path

import archer
from archer.errors import ArcherError
from archer.files import prepare_folder, write_whole
from archer.research.candidate_report import one
from archer.research.entries import Entry
from archer.research.gates import gate
from archer.research.overview import Overview
from archer.research.words import claim

WIDTH = 98
NOT_MEASURED = "this rule was never measured: smoke tells whether a rule trains, and nothing more"


def promote(overview: Overview, entry: Entry, folder: Path) -> Path:
    """Write the candidate's rule as FOLDER/NAME.py; returns its path.

    The file is gated again, confined as when it was proposed, and must be the same rule. Raises
    ArcherError for a candidate that never passed the gates, a file that exists, or a folder that
    cannot be written.
    """
    if entry.graph is None:
        raise ArcherError(f"{entry.id} {entry.name} did not pass the gates: {entry.reason}")
    path = folder / f"{entry.proposal.name}.py"
    if path.exists():
        raise ArcherError(f"{path} exists already; choose another folder or remove it first")
    text = _header(overview, entry) + entry.source.lstrip()
    gated = gate(replace(entry.proposal, source=text), {})
    if gated.graph is None or gated.graph.rule_hash != entry.hash:
        why = f"{gated.failed.gate}: {gated.failed.reason}" if gated.failed else "another rule"
        raise ArcherError(f"{entry.id} {entry.name} with its provenance is no longer valid: {why}")
    prepare_folder(folder, "choose another folder with --to")
    return write_whole(path, text)


def _header(overview: Overview, entry: Entry) -> str:
    """Provenance as comments."""
    return "".join(
        f"# {line}\n"
        for paragraph in provenance(overview, entry)
        for line in textwrap.wrap(paragraph, WIDTH, subsequent_indent="  ")
    )


def provenance(overview: Overview, entry: Entry) -> list[str]:
    """Where the rule comes from and what was measured, a line each."""
    standing = overview.standings.get(entry.id)
    parents = ", ".join(f"{overview.name(key)}" for key in entry.proposal.parents)
    lines = [
        f"Found by `archer research` (Archer {archer.__version__}): candidate {entry.id} of "
        f"session {entry.session}, proposer {entry.proposal.proposer}.",
        f"Parents: {parents or 'none'}.",
        f"Motivation: {_plain(entry.proposal.motivation) or 'none given'}",
        f"Bottleneck: {_plain(entry.proposal.bottleneck) or 'none named'}",
        f"Outcome: {entry.outcome}. {_plain(entry.reason)}.",
    ]
    if entry.stage in ("", "smoke"):
        lines.append(f"{NOT_MEASURED[0].upper()}{NOT_MEASURED[1:]}.")
    elif standing and standing.scored:
        lines.append(
            f"Validation accuracy on {overview.stage}, mean over tasks: {standing.score:.4f}, "
            f"{standing.gap:+.4f} against delta (chosen by, so biased upwards)."
        )
    found = [claim(overview, c) for c in overview.claims if c.rule == entry.id]
    lines += [_plain(text) for text in found]
    if not found:
        lines.append("Not compared on fresh seeds: no improvement is claimed.")
    if entry.knobs:
        values = " ".join(f"--set {entry.proposal.name}.{k}={v:g}" for k, v in entry.knobs.items())
        lines.append(f"Trained with: {values}")
    record = f"Record: {overview.where}, rule hash {entry.hash[:16]}."
    return [*lines, record]


def _plain(text: str) -> str:
    return one(text).replace("'", "").rstrip(".")
