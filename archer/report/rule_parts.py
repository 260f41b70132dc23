"""What the report says of each rule: its text, its knobs, where it helps and hurts."""

import inspect
import math
from dataclasses import dataclass

from archer.report.facts import Facts
from archer.report.finding import CERTAIN, VISIBLE
from archer.report.own_rules import UNTOLD, OwnRule
from archer.report.phrases import Phrase, gap, name
from archer.report.study import Study
from archer.rules.load import BUILTIN, load_rule
from archer.rules.peer import is_peer, parse_peer

MEANS_ONLY = "Not settled by these seeds, means only:"


@dataclass(frozen=True)
class RulePart:
    """One rule: its text, knobs, and the cells by what may be said of them."""

    rule: str
    row: str
    about: str
    equations: str
    knobs: str
    helps: list[Facts]
    hurts: list[Facts]
    open: list[Facts]
    same: list[Facts]

    def sentences(self, study: Study) -> list[tuple[str, list[Phrase]]]:
        """Introduction and sentences: where the verdict is different, then means alone."""
        settled = [
            *(_moved(study, "helps", cell) for cell in self.helps),
            *(_moved(study, "hurts", cell) for cell in self.hurts),
        ]
        open_ = [_moved(study, "is", c) for c in self.open if abs(c.difference) >= VISIBLE]
        parts = (("Settled by these seeds:", settled), (MEANS_ONLY, open_))
        return [(intro, said) for intro, said in parts if said]


def _moved(study: Study, verb: str, cell: Facts) -> Phrase:
    amount = gap(cell.difference, (cell.rule, cell.column), (str(study.baseline), cell.column))
    if verb != "is":
        return (f"{name(cell.rule)} {verb} on {cell.column} by ", amount, ".")
    side = "above" if cell.difference > 0 else "below"
    base = name(str(study.baseline))
    return (f"{name(cell.rule)} is ", amount, f" {side} {base} on {cell.column}.")


def rule_parts(study: Study) -> list[RulePart]:
    """Every rule in the table's order: what it is and what it did."""
    return [_rule_part(study, rule) for rule in study.rules]


def _rule_part(study: Study, rule: str) -> RulePart:
    about, _, equations = _doc(study, rule).partition("\n")
    cells = [study.facts[rule, column] for column in study.tasks.values()]
    cells = [c for c in cells if not math.isnan(c.difference)]
    different = [c for c in cells if c.verdict == "different"]
    return RulePart(
        rule,
        study.rows[rule],
        about.strip(),
        inspect.cleandoc(equations).strip("\n"),
        _knobs(study, rule),
        sorted((c for c in different if c.difference > 0), key=lambda c: -c.difference),
        sorted((c for c in different if c.difference < 0), key=lambda c: c.difference),
        sorted((c for c in cells if c.verdict not in CERTAIN), key=lambda c: -abs(c.difference)),
        [c for c in cells if c.verdict in ("equivalent", "identical by construction")],
    )


def _doc(study: Study, rule: str) -> str:
    """The text of a rule or a peer, or that it is not known."""
    if is_peer(rule):
        return parse_peer(rule).about
    if rule not in BUILTIN:
        about = study.own.get(rule, OwnRule()).about
        return UNTOLD if about is None else about
    return inspect.getdoc(inspect.getmodule(load_rule(rule))) or ""


def _knobs(study: Study, rule: str) -> str:
    mine = study.trials[study.trials["rule"] == rule]
    found = []
    for column in mine.columns:
        if not column.startswith("knob.") or mine[column].isna().all():
            continue
        values = ", ".join(f"{value:g}" for value in sorted(mine[column].dropna().unique()))
        text = f"{column.removeprefix('knob.')} = {values}"
        learned = f"learned.{column.removeprefix('knob.')}"
        if learned in mine and mine[learned].notna().any():
            text += f" at the start, {mine[learned].mean():.3g} at the end (learned, mean)"
        found.append(text)
    return "; ".join(found)
