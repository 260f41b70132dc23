"""What a benchmark shows: typed claims with their cells, ranked by certainty and size.

Every finding holds the typed statement behind its sentence (`archer.report.claims.statements`),
which judges itself against the table: a finding that its own table refutes is a bug.
"""

import math
from collections.abc import Iterator

from archer.report.claims.combine import All
from archer.report.claims.statements import Change, Rank, Same, SameGraph, Statement, Value
from archer.report.facts import AVERAGE, Facts
from archer.report.finding import UNSTABLE, VISIBLE, Finding, certainty, certainty_of_lead
from archer.report.phrases import Phrase, Ref, figure, gap, gap_text, listed, name, score
from archer.report.study import Study
from archer.stats import MARGIN


def findings(study: Study) -> list[Finding]:
    """Everything found: who leads on average, then the certain before the open, large first."""
    found = [
        *_averages(study),
        *_best(study),
        *_differences(study),
        *_trade_offs(study),
        *_identical(study),
        *_unstable(study),
    ]
    # The leader's lead over the baseline, or the baseline's over its runner-up, is told once.
    told = {f.cells[-2:] for f in found if f.kind == "best-on-task"}
    told |= {cells[::-1] for cells in told}
    found = [f for f in found if f.kind != "difference" or f.cells not in told]
    order = {"certain": 0, "open": 1, "one seed": 1}
    return sorted(found, key=lambda f: (f.kind != "ranking", order[f.certainty], -f.size))


def _scored(study: Study, column: str) -> list[Facts]:
    """The cells of a column, best first; nothing when one has no score."""
    cells = [study.facts[rule, column] for rule in study.rules]
    if any(math.isnan(cell.score) for cell in cells):
        return []
    return sorted(cells, key=lambda cell: -cell.score)


def _averages(study: Study) -> Iterator[Finding]:
    """The baseline's average (a value), every other rule's (average), and their order (ranking)."""
    if AVERAGE not in study.columns:
        return
    for rule in study.rules:
        facts = study.facts[rule, AVERAGE]
        if math.isnan(facts.score):
            continue
        phrase: Phrase = (f"{name(rule)} averages ", score(facts.score, (rule, AVERAGE)))
        value = Value(study.rows[rule], AVERAGE, figure(f"{facts.score:.3f}"))
        if rule == study.baseline:
            yield Finding("value", rule, (*phrase, "."), value, 0.0, "certain")
        elif abs(facts.difference) >= VISIBLE and facts.verdict != "equivalent":
            change = _change(study, facts)
            tail = (", ", *_beside(study, facts), ".")
            sure = certainty(study, facts.verdict)
            both = All((value, change))
            yield Finding("average", rule, phrase + tail, both, abs(facts.difference), sure)
    ranked = _scored(study, AVERAGE)
    if len(ranked) > 2 and len({cell.score for cell in ranked[:3]}) == 3:  # a tie has no order
        yield _ranking(study, ranked[:3])


def _ranking(study: Study, top: list[Facts]) -> Finding:
    first, second, third = top
    phrase: Phrase = (
        f"On average {name(first.rule)} ranks first with ",
        score(first.score, (first.rule, AVERAGE)),
        f", {name(second.rule)} second with ",
        score(second.score, (second.rule, AVERAGE)),
        f" and {name(third.rule)} third with ",
        score(third.score, (third.rule, AVERAGE)),
        ".",
    )
    rows = tuple(study.rows.values())
    places = tuple(
        Rank(study.rows[cell.rule], AVERAGE, place, rows) for place, cell in enumerate(top, 1)
    )
    verdict = study.verdicts(first.rule, AVERAGE)[second.rule]
    size = first.score - second.score
    return Finding(
        "ranking", first.rule, phrase, All(places), size, certainty_of_lead(study, verdict)
    )


def _best(study: Study) -> Iterator[Finding]:
    """The leader of a task, and how far it is from the first rule that is not its twin."""
    for column in study.tasks.values():
        ranked = _scored(study, column)
        if len(ranked) < 2:
            continue
        leader = ranked[0]
        said = study.verdicts(leader.rule, column)
        others = [c for c in ranked[1:] if said.get(c.rule) != "identical by construction"]
        if not others or leader.score - others[0].score < VISIBLE:
            continue
        second, lead = others[0], leader.score - others[0].score
        here, there = (leader.rule, column), (second.rule, column)
        phrase: Phrase = (
            f"{name(leader.rule)} is best on {column} with ",
            score(leader.score, here),
            f", ahead of {name(second.rule)} by ",
            gap(lead, here, there),
            ".",
        )
        rows = study.rows
        parts: tuple[Statement, ...] = (
            Rank(rows[leader.rule], column, 1, tuple(rows.values())),
            Value(rows[leader.rule], column, figure(f"{leader.score:.3f}")),
            Change(rows[leader.rule], rows[second.rule], column, figure(gap_text(lead)), 1),
        )
        sure = certainty_of_lead(study, said.get(second.rule, ""))
        yield Finding("best-on-task", leader.rule, phrase, All(parts), lead, sure)


def _differences(study: Study) -> Iterator[Finding]:
    """Every cell against the baseline: a difference, or none larger than the margin."""
    for (rule, column), facts in study.facts.items():
        if facts.identical or math.isnan(facts.difference):
            continue
        sure = certainty(study, facts.verdict)
        if facts.verdict == "equivalent":
            where = "on average" if column == AVERAGE else f"on {column}"
            phrase: Phrase = (
                f"{name(rule)} is within ",
                Ref(f"{MARGIN:g}", ((rule, column), (str(study.baseline), column))),
                f" of {name(str(study.baseline))} {where}.",
            )
            same = Same(study.rows[rule], study.rows[str(study.baseline)], column, MARGIN, MARGIN)
            yield Finding("no effect", rule, phrase, same, abs(facts.difference), sure)
        elif abs(facts.difference) >= VISIBLE and column != AVERAGE:
            phrase = (f"On {column} {name(rule)} is ", *_beside(study, facts), ".")
            size = abs(facts.difference)
            yield Finding("difference", rule, phrase, _change(study, facts), size, sure)


def _trade_offs(study: Study) -> Iterator[Finding]:
    """Rules that gain more than the margin on one task and lose more than it on another."""
    for rule in study.rules:
        cells = [study.facts[rule, column] for column in study.tasks.values()]
        cells = [c for c in cells if not math.isnan(c.difference) and not c.identical]
        if not cells:
            continue
        best, worst = max(cells, key=_by_gap), min(cells, key=_by_gap)
        if best.difference < MARGIN or worst.difference > -MARGIN:
            continue
        base = str(study.baseline)
        phrase: Phrase = (
            f"Against {name(base)}, {name(rule)} gains ",
            gap(best.difference, (rule, best.column), (base, best.column)),
            f" on {best.column} and loses ",
            gap(worst.difference, (rule, worst.column), (base, worst.column)),
            f" on {worst.column}.",
        )
        both = All((_change(study, best), _change(study, worst)))
        weaker = best if best.verdict != "different" else worst
        size = min(best.difference, -worst.difference)
        sure = certainty_of_lead(study, weaker.verdict)
        yield Finding("trade-off", rule, phrase, both, size, sure)


def _identical(study: Study) -> Iterator[Finding]:
    for rule in study.rules:
        cells = [study.facts[rule, column] for column in study.tasks.values()]
        columns = [cell.column for cell in cells if cell.identical]
        if not columns:
            continue
        base = str(study.baseline)
        where = Ref(listed(columns), tuple((r, c) for c in columns for r in (rule, base)))
        phrase: Phrase = (
            f"{name(rule)} is identical by construction to {name(base)} on ",
            where,
            ".",
        )
        graphs = All(tuple(SameGraph(study.rows[rule], study.rows[base], c) for c in columns))
        yield Finding("identical by construction", rule, phrase, graphs, 0.0, "certain")


def _unstable(study: Study) -> Iterator[Finding]:
    """Cells whose seeds disagree by more than most differences between rules."""
    for (rule, column), facts in study.facts.items():
        if not facts.sd >= UNSTABLE or column == AVERAGE:
            continue
        mean, sd = f"{facts.score:.3f}", f"{facts.sd:.3f}"
        phrase: Phrase = (
            f"{name(rule)} scores ",
            Ref(f"{mean} ± {sd}", ((rule, column),)),
            f" on {column}: unstable.",
        )
        value = Value(study.rows[rule], column, figure(mean))
        yield Finding("unstable", rule, phrase, value, facts.sd, "open")


def _beside(study: Study, facts: Facts) -> Phrase:
    """ "0.012 below `delta`"."""
    base = str(study.baseline)
    cells = ((facts.rule, facts.column), (base, facts.column))
    side = "above" if facts.difference > 0 else "below"
    return gap(facts.difference, *cells), f" {side} {name(base)}"


def _change(study: Study, facts: Facts) -> Change:
    way = 1 if facts.difference > 0 else -1
    rows = study.rows
    amount = figure(gap_text(facts.difference))
    return Change(rows[facts.rule], rows[str(study.baseline)], facts.column, amount, way)


def _by_gap(facts: Facts) -> float:
    return facts.difference
