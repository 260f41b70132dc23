"""The proposed next modification of a result folder: proposal.json, and how the report shows it.

proposal.json is one object:

    name            snake_case name of the rule
    motivation      why, in a sentence or two
    bottleneck      what limits the best rule so far
    equations       text of the equations, a line each
    knobs           {knob: value}
    implementation  a list of notes
    expected        {task: change of the score against the baseline, -1 to 1}

Only `name` must be there. Every word and number of it is a prediction, and is marked as one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from archer.errors import ArcherError
from archer.mad.settings import COLUMNS

FILE = "proposal.json"
HEADING = "Proposed next modification"
MARK = "A prediction: nothing in this section has been measured."


@dataclass(frozen=True)
class Proposed:
    """See the module. expected: change of the score by task."""

    name: str
    motivation: str = ""
    bottleneck: str = ""
    equations: str = ""
    knobs: Mapping[str, float] = field(default_factory=dict)
    implementation: tuple[str, ...] = ()
    expected: Mapping[str, float] = field(default_factory=dict)

    @property
    def impact(self) -> list[tuple[str, str]]:
        """(column of the table, expected change as text), in the table's order."""
        tasks = [task for task in COLUMNS if task in self.expected]
        return [(COLUMNS[task], f"{self.expected[task]:+.3f}") for task in tasks]

    @property
    def knob_text(self) -> str:
        return "; ".join(f"{knob} = {value:g}" for knob, value in self.knobs.items())


def read_proposed(folder: Path) -> Proposed | None:
    """The proposal of a folder, where there is one. Raises ArcherError when it cannot be read."""
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        return _proposed(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise ArcherError(f"{path} is not a proposal ({error}); see docs/report.md") from None


def _proposed(data: Mapping[str, Any]) -> Proposed:
    unknown = set(data) - set(Proposed.__dataclass_fields__)
    if unknown:
        raise ValueError(f"unknown field {min(unknown)!r}")
    expected = {str(task): float(change) for task, change in data.get("expected", {}).items()}
    strange = [task for task in expected if task not in COLUMNS]
    if strange:
        raise ValueError(f"{strange[0]!r} is no task")
    notes = data.get("implementation", [])
    return Proposed(
        name=str(data["name"]),
        motivation=str(data.get("motivation", "")),
        bottleneck=str(data.get("bottleneck", "")),
        equations=str(data.get("equations", "")),
        knobs={str(knob): float(value) for knob, value in data.get("knobs", {}).items()},
        implementation=(notes,) if isinstance(notes, str) else tuple(map(str, notes)),
        expected=expected,
    )


def markdown(proposed: Proposed) -> list[str]:
    """The section, without its heading, as Markdown blocks."""
    text = [MARK, f"`{proposed.name}`: {proposed.motivation}".rstrip(": ")]
    if proposed.bottleneck:
        text.append(f"What it is meant to lift: {proposed.bottleneck}")
    if proposed.equations:
        text.append(f"```\n{proposed.equations.strip()}\n```")
    if proposed.knobs:
        text.append(f"Knobs:\n\n```\n{proposed.knob_text}\n```")
    if proposed.implementation:
        text.append("\n".join(f"- {note}" for note in proposed.implementation))
    if proposed.impact:
        rows = "\n".join(f"| {column} | {change} |" for column, change in proposed.impact)
        text.append(f"| task | expected change |\n| --- | --- |\n{rows}")
    return text
