"""Statements made of statements: all, not, how many."""

from collections.abc import Collection
from dataclasses import dataclass, fields, is_dataclass, replace

from archer.report.claims.statements import NotAbove, Order, Statement, Value
from archer.report.claims.table import ScoreTable
from archer.report.claims.verdict import UNCLEAR, Outcome, best_of, truth


@dataclass(frozen=True)
class All:
    """Every part holds; the first that does not speaks for all."""

    parts: tuple[Statement, ...]

    def judge(self, table: ScoreTable) -> Outcome:
        outcomes = [part.judge(table) for part in self.parts]
        for status in ("refuted", "unchecked", "rounding"):
            for outcome in outcomes:
                if outcome.status == status:
                    return outcome
        noted = [outcome for outcome in outcomes if outcome.note]
        return (noted or outcomes or [UNCLEAR])[0]


@dataclass(frozen=True)
class Any:
    """One of the plausible readings holds."""

    parts: tuple[Statement, ...]

    def judge(self, table: ScoreTable) -> Outcome:
        return best_of([part.judge(table) for part in self.parts])


@dataclass(frozen=True)
class Agreed:
    """Readings of which none is the likelier: what all of them say, and nothing otherwise."""

    parts: tuple[Statement, ...]

    def judge(self, table: ScoreTable) -> Outcome:
        outcomes = [part.judge(table) for part in self.parts]
        if len({outcome.status for outcome in outcomes}) == 1:
            return outcomes[0]
        false = [outcome.note for outcome in outcomes if outcome.status == "refuted"]
        return Outcome("unchecked", note=f"not in every reading: {false[0]}" if false else None)


def _barely(part: Statement, table: ScoreTable) -> bool:
    """On the bound, as far as the digits say: "only A is below 0.78", when B has 0.77997."""
    if not isinstance(part, Value) or not part.figure.bound:
        return False
    beyond = replace(part.figure, bound=">" if part.figure.bound == "<" else "<")
    return replace(part, figure=beyond).judge(table).status != "refuted"


@dataclass(frozen=True)
class Not:
    """The part does not hold."""

    part: Statement

    def judge(self, table: ScoreTable) -> Outcome:
        if isinstance(self.part, Order):
            p = self.part
            return NotAbove(p.model, p.base, p.task, p.sign, p.strong).judge(table)
        outcome = self.part.judge(table)
        if outcome.status in ("unchecked", "rounding") or _barely(self.part, table):
            return UNCLEAR
        return truth(outcome.status == "refuted", None, outcome.actual, outcome.note)


@dataclass(frozen=True)
class Count:
    """Of the parts, at least `least` and at most `most` hold."""

    parts: tuple[Statement, ...]
    least: int
    most: int

    def judge(self, table: ScoreTable) -> Outcome:
        outcomes = [part.judge(table) for part in self.parts]
        if any(outcome.status == "unchecked" for outcome in outcomes):
            return UNCLEAR
        held = sum(outcome.status != "refuted" for outcome in outcomes)
        stated = float(self.least if self.least > 0 else self.most)
        return truth(self.least <= held <= self.most, stated, float(held))


@dataclass(frozen=True)
class Never:
    """Not one of them: unlike "does not improve", a small exception is one."""

    part: Statement

    def judge(self, table: ScoreTable) -> Outcome:
        if isinstance(self.part, Order) and not self.part.strong:
            outcome = self.part.judge(table)
            if outcome.status == "unchecked" or outcome.note == "identical-by-construction":
                return UNCLEAR if outcome.status != "refuted" else truth(True, None, outcome.actual)
            return truth(outcome.status == "refuted", None, outcome.actual, outcome.note)
        return Not(self.part).judge(table)


@dataclass(frozen=True)
class Guarded:
    """A reading that refutes only when nothing else the sentence could mean is true."""

    part: Statement
    others: Statement

    def judge(self, table: ScoreTable) -> Outcome:
        outcome = self.part.judge(table)
        if outcome.status == "refuted" and self.others.judge(table).status == "confirmed":
            return UNCLEAR
        return outcome


@dataclass(frozen=True)
class Unsure:
    """A guess that may confirm but must not refute."""

    part: Statement

    def judge(self, table: ScoreTable) -> Outcome:
        outcome = self.part.judge(table)
        return outcome if outcome.status in ("confirmed", "rounding") else UNCLEAR


def speaks_of(part: object, names: Collection[str]) -> bool:
    """Does a statement, or what it is made of, hold one of these names?"""
    if isinstance(part, tuple):
        return any(speaks_of(inner, names) for inner in part)
    if is_dataclass(part):
        return any(speaks_of(getattr(part, field.name), names) for field in fields(part))
    return isinstance(part, str) and part in names
