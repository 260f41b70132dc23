"""What is said about one statement of a report."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["confirmed", "refuted", "rounding", "unchecked"]


@dataclass(frozen=True)
class Verdict:
    """line: where the statement begins (from 1); text: the statement as it stands there.

    stated and actual are a number or a name; actual is the table's. note: a tag such as
    "identical-by-construction", "within-noise" or "prediction", or a short explanation.
    """

    line: int
    text: str
    status: Status
    stated: float | str | None = None
    actual: float | str | None = None
    note: str | None = None


@dataclass(frozen=True)
class Outcome:
    """A verdict that does not know its place in the text."""

    status: Status
    stated: float | str | None = None
    actual: float | str | None = None
    note: str | None = None


UNCLEAR = Outcome("unchecked")
ABSENT = Outcome("unchecked", note="of a column that the table does not have")


def truth(
    holds: bool,
    stated: float | str | None = None,
    actual: float | str | None = None,
    note: str | None = None,
) -> Outcome:
    """confirmed or refuted."""
    return Outcome("confirmed" if holds else "refuted", stated, actual, note)


def best_of(outcomes: list[Outcome]) -> Outcome:
    """The kindest reading: a statement is refuted only when every plausible reading is false."""
    for status in ("confirmed", "rounding", "unchecked"):
        for outcome in outcomes:
            if outcome.status == status:
                return outcome
    return outcomes[0] if outcomes else UNCLEAR
