"""A finding: one sentence, the cells it speaks of, the claim behind it, and how sure it is."""

from dataclasses import dataclass
from itertools import chain
from typing import Literal

from archer.report.claims.statements import Statement
from archer.report.phrases import Cell, Phrase, Ref, plain
from archer.report.study import Study

Kind = Literal[
    "value",
    "difference",
    "ranking",
    "average",
    "best-on-task",
    "trade-off",
    "no effect",
    "identical by construction",
    "unstable",
]
Certainty = Literal["certain", "open", "one seed"]

VISIBLE = 0.0005  # a smaller difference is no finding
UNSTABLE = 0.05  # standard deviation over seeds from which a cell is called unstable
CERTAIN = ("different", "equivalent", "identical by construction")


@dataclass(frozen=True)
class Finding:
    """One sentence: its kind, the rule it is about, its claim, and how sure and how large it is.

    certainty: "certain" where the verdict is different, equivalent or identical by construction;
    "open" where these seeds cannot tell, or disagree; "one seed" where nothing can be told.
    size: the difference it speaks of, or the deviation.
    """

    kind: Kind
    rule: str
    phrase: Phrase
    statement: Statement
    size: float
    certainty: Certainty

    @property
    def text(self) -> str:
        return plain(self.phrase)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every cell the sentence speaks of."""
        refs = (part.cells for part in self.phrase if isinstance(part, Ref))
        return tuple(dict.fromkeys(chain.from_iterable(refs)))


def certainty(study: Study, verdict: str) -> Certainty:
    """How sure a sentence is that rests on this verdict."""
    if study.seeds == 1 and verdict != "identical by construction":
        return "one seed"
    return "certain" if verdict in CERTAIN else "open"


def certainty_of_lead(study: Study, verdict: str) -> Certainty:
    """Who leads is settled by a difference only: between equivalent rules, either may."""
    return certainty(study, verdict if verdict == "different" else "cannot tell")
