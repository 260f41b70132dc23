"""What rules are expected to do, against what was measured."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from archer.mad.settings import COLUMNS
from archer.report.facts import Facts
from archer.report.study import Study
from archer.rules.load import BUILTIN, load_rule

Outcome = Literal["met", "not met", "cannot tell", "not measured"]
MEANT_AGAINST = "delta"  # a rule says what it expects against DeltaNet
LEGEND = (
    "What a rule's author said it would do, and what it did. `met` and `not met` are said only "
    "where these seeds settle it; `same` is met by *equivalent* or *identical by construction*."
)


@dataclass(frozen=True)
class Expectation:
    """One expectation: its cell (None where the task was not run) and what became of it."""

    rule: str
    column: str
    expected: str
    facts: Facts | None
    outcome: Outcome


def expectations(study: Study) -> list[Expectation]:
    """By rule, then task, in the table's order; none against another baseline than `delta`."""
    if study.baseline != MEANT_AGAINST:
        return []
    found = []
    for rule in study.rules:
        said = stated(study, rule)
        found += [
            _held(study, rule, task, said[task]) for task in COLUMNS if said.get(task) is not None
        ]
    return found


def stated(study: Study, rule: str) -> Mapping[str, str]:
    """What a rule expects: as the folder says, or else as the built-in rule does."""
    if rule in study.expects:
        return study.expects[rule]
    return load_rule(rule).expects if rule in BUILTIN else {}


def unknown(study: Study) -> list[str]:
    """A line for every expectation about something that is no task."""
    return [
        f"{rule} expects something of {task!r}, which is no task (there are {', '.join(COLUMNS)})."
        for rule in study.rules
        for task in stated(study, rule)
        if task not in COLUMNS
    ]


def _held(study: Study, rule: str, task: str, word: str) -> Expectation:
    column = COLUMNS[task]
    facts = study.facts.get((rule, column))
    if facts is None or math.isnan(facts.difference):
        return Expectation(rule, column, word, facts, "not measured")
    return Expectation(rule, column, word, facts, _outcome(word, facts))


def _outcome(word: str, facts: Facts) -> Outcome:
    if facts.verdict in ("equivalent", "identical by construction"):
        return "met" if word == "same" else "not met"
    if facts.verdict != "different":
        return "cannot tell"
    return "met" if word == ("up" if facts.difference > 0 else "down") else "not met"


def frame(study: Study) -> pd.DataFrame | None:
    """The expectations as a table of text; None where there are none."""
    rows = [
        {
            "rule": e.rule,
            "task": e.column,
            "expected": e.expected,
            "measured": "-" if e.facts is None else _measured(e.facts),
            "verdict": "-" if e.facts is None else e.facts.verdict,
            "expectation": e.outcome,
        }
        for e in expectations(study)
    ]
    return pd.DataFrame(rows).set_index("rule") if rows else None


def _measured(facts: Facts) -> str:
    return "-" if math.isnan(facts.difference) else f"{facts.difference:+z.3f}"
