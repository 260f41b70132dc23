"""Superlatives about differences: "the largest gain is on T", "M drops most on T"."""

import re
from dataclasses import dataclass

from archer.report.claims.clause import Clause
from archer.report.claims.combine import Agreed, All, Any
from archer.report.claims.extents import Widest
from archer.report.claims.grammar import triggers
from archer.report.claims.mentions import Mention
from archer.report.claims.scopes import MOST, SHARE, part_of, scope, topic
from archer.report.claims.statements import Order, Statement
from archer.report.claims.table import AVERAGE, ScoreTable

EXTENT = (
    r"(?:gains?|drop|improvement|gap|lift|increase|decrease|loss|difference|"
    r"effect|regression|jump|margin|change|boost|decline|degradation|deficit|"
    r"advantage|lead|benefit|rise|hit|cost|spread|range|variation|swing|"
    r"movement|delta|win)"
)


WIDEST = re.compile(
    rf"\b(?P<size>largest|biggest|greatest|widest|most|smallest|least|"
    rf"narrowest|strongest|weakest|steepest|highest|best|worst|only) (?:\w+ )??(?P<what>{EXTENT})"
    rf"\b|"
    rf"\b(?P<what2>{EXTENT}) (?:\(\S+\) )?(?:is|are|was) (?:by far )?(?P<size2>largest|"
    rf"biggest|greatest|widest|smallest|least|narrowest|strongest)\b|"
    rf"\b{MOST}"
)


Couples = tuple[tuple[str, str], ...]
_OF_FIELD = ("spread", "range", "variation", "gap", "difference", "swing", "effect")


def superlatives(clause: Clause) -> list[Statement] | None:
    """Superlatives about differences and about tasks; None when there is none."""
    match = WIDEST.search(clause.text)
    if match is None or _spoken_for(clause, match):
        return None
    clause.taken.append((match.start(), match.end()))
    made = _widest_statement(clause, match)
    for trigger in re.finditer(rf"\b{EXTENT}\b", clause.text):
        clause.taken.append((trigger.start(), trigger.end()))
    clause.left_over = (
        clause.left_over or made is None
    )  # a figure beside it is not all that is said
    return [made] if made is not None else []


def _spoken_for(clause: Clause, match: re.Match[str]) -> bool:
    """Has something else taken it? "Loses" may belong to a figure, "most" is said besides."""
    at = match.start("how") if match["how"] else match.start()
    return any(a <= at < b for a, b in clause.taken)


def _what(match: re.Match[str]) -> str:
    return match["what"] or match["what2"] or ""


def _sign(word: str) -> int:
    """+1 for gains, -1 for losses, 0 for differences either way."""
    found = triggers(word)
    if found and found[0].sign:
        return found[0].sign
    return 1 if word.startswith("win") else 0


@dataclass(frozen=True)
class _Said:
    """Whose differences they are, on which task; couples: (model, base), as either may be meant."""

    table: ScoreTable
    task: str
    subject: str | None
    base: str | None
    couples: Couples
    sign: int
    largest: bool
    verb: bool
    of_field: bool

    def extent(self, model: str, base: str, task: str) -> float:
        difference = self.table.score(model, task) - self.table.score(base, task)
        return self.sign * difference if self.sign else abs(difference)

    def ranked(self, answer: str, sizes: tuple[tuple[str, float], ...]) -> list[Widest]:
        """The smallest loss is the smallest of all, or of those that are losses; none of one."""
        if len(sizes) < 2:
            return []
        ways = [Widest(answer, sizes, self.largest)]
        some = tuple((name, size) for name, size in sizes if size > 0)
        if self.sign and not self.largest and answer in dict(some):
            ways.append(Widest(answer, some, self.largest))
        return ways

    def there(self, widest: Widest, model: str, base: str) -> Statement:
        """Who loses most does lose; who loses least may not."""
        if not (self.verb and self.sign and self.largest):
            return widest
        return All((widest, Order(model, base, self.task, self.sign)))


def _widest_statement(clause: Clause, match: re.Match[str]) -> Statement | None:
    said = _read(clause, match)
    if said is None:
        return None
    where = scope(clause, match)
    ways = (
        _over_tasks(said, clause) if where.tasks else [],
        _over_rules(said, clause) if where.rules else [],
    )
    parts = tuple(Any(tuple(readings)) for readings in ways if readings)
    return Agreed(parts) if parts else None


def _read(clause: Clause, match: re.Match[str]) -> _Said | None:
    size = match["size"] or match["size2"] or match["how"]
    share = match["how"] and SHARE.match(clause.text[match.end() :])
    if size == "only" or share or clause.negated(match.start()):
        return None
    rules, tasks = part_of(clause, clause.models()), part_of(clause, clause.tasks())
    models = [(b, m) for _, b, m in clause.models() if m is not rules]
    named = [t for _, _, t in clause.tasks() if t is not tasks] or topic(clause)
    task = named[0].single if len(named) == 1 else None
    if any(m.group for _, m in models) or len(models) > 2 or task is None:
        return None
    sign = _sign(_what(match) or match["verb"])
    verb = bool(match["verb"])
    if verb and sign and any(len(m.names) > 1 for _, m in models):
        return None  # "A and B lose most": each of them, of the others
    subject, base, couples = _who(clause, models, match)
    largest = size not in ("smallest", "least", "narrowest", "weakest")
    of_field = not models and _what(match) in _OF_FIELD
    return _Said(clause.table, task, subject, base, couples, sign, largest, verb, of_field)


def _who(
    clause: Clause, models: list[tuple[int, Mention]], match: re.Match[str]
) -> tuple[str | None, str | None, Couples]:
    """Subject, base and the couples that may be meant."""
    base = clause.context.base.single if clause.context.base else clause.table.baseline
    names = [name for _, m in models for name in m.names]
    if not models and clause.context.subject is not None:
        names = [name for name in (clause.context.subject.single,) if name]
    if len(names) == 2:
        ahead = [m.single for end, m in models if end <= match.start() and match["verb"]]
        return _of_two(names[0], names[1], ahead[-1] if ahead else None, base)
    subject = names[0] if len(names) == 1 else None
    couple = (subject, base) if subject and base and subject != base else None
    return subject, base, (couple,) if couple else ()


def _of_two(
    first: str, second: str, ahead: str | None, base: str | None
) -> tuple[str | None, str | None, Couples]:
    """Who stands before the verb is its subject; without one, the couple may be either way."""
    if ahead:
        other = second if ahead == first else first
        return ahead, other, ((ahead, other),)
    either = ((first, second), (second, first))
    if base not in (first, second):
        return None, base, either
    return first if second == base else second, base, either


def _over_tasks(said: _Said, clause: Clause) -> list[Statement]:
    """Of the differences of one rule, the one on this task is the largest."""
    if said.task == AVERAGE:
        return []
    among, table = part_of(clause, clause.tasks()), said.table
    found: list[Statement] = []
    for tasks in among.readings if among else (table.tasks,):
        for a, b in said.couples:
            sizes = tuple((t, said.extent(a, b, t)) for t in tasks)
            found += [said.there(w, a, b) for w in said.ranked(said.task, sizes)]
    if said.of_field:
        widths = {t: float(table.values[t].max() - table.values[t].min()) for t in table.tasks}
        found.append(Widest(said.task, tuple(widths.items()), said.largest))
    return found


def _over_rules(said: _Said, clause: Clause) -> list[Statement]:
    """Of the differences on this task, the one of this rule is the largest."""
    subject, base = said.subject, said.base
    if subject is None or base is None or subject == base:
        return []
    among = part_of(clause, clause.models())
    found: list[Statement] = []
    for rules in among.readings if among else (said.table.models,):
        sizes = tuple((m, said.extent(m, base, said.task)) for m in rules if m != base)
        found += [said.there(w, subject, base) for w in said.ranked(subject, sizes)]
    return found
