"""Statements for every name that a mention stands for."""

import itertools
from collections.abc import Callable

from archer.report.claims.combine import All, Any, Count, Never, Not
from archer.report.claims.mentions import Mention
from archer.report.claims.roles import Roles
from archer.report.claims.statements import Statement


def build(
    make: Callable[[str, str, str], Statement], who: Roles, *, every: tuple[str, ...]
) -> Statement:
    """`make(model, base, task)` under all quantifiers; any plausible reading may be meant."""
    choices = itertools.product(who.subject.readings, who.base.readings, who.tasks)
    readings: list[Statement] = []
    for subjects, bases, tasks in choices:
        for names in tasks.readings:
            readings.append(_nested(make, who, subjects, bases, tasks, names, every))
    return readings[0] if len(readings) == 1 else Any(tuple(readings))


def _nested(
    make: Callable[[str, str, str], Statement],
    who: Roles,
    subjects: tuple[str, ...],
    bases: tuple[str, ...],
    tasks: Mention,
    names: tuple[str, ...],
    every: tuple[str, ...],
) -> Statement:
    def over_tasks(model: str, base: str) -> Statement:
        return quantify(tasks, names, lambda task: make(model, base, task), ())

    def over_bases(model: str) -> Statement:
        others = tuple(b for b in bases if b != model)
        quant = Mention(who.base.readings, "each") if who.base.quant == "any" else who.base
        return quantify(quant, others, lambda base: over_tasks(model, base), ())

    spoken = tuple(m for m in subjects if m not in bases or len(bases) > 1)
    return quantify(who.subject, spoken, over_bases, tuple(e for e in every if e not in bases))


def quantify(
    mention: Mention,
    names: tuple[str, ...],
    make: Callable[[str], Statement],
    every: tuple[str, ...],
) -> Statement:
    """All, none, most, only or a number of the names."""
    parts = tuple(make(name) for name in names)
    if mention.quant == "none":
        return All(tuple(Never(part) for part in parts))
    if mention.quant == "any":
        return Any(parts)
    if mention.quant == "most":
        return Count(parts, len(parts) // 2 + 1, len(parts))
    if mention.quant == "count":
        return Count(parts, mention.count, len(parts) if mention.at_least else mention.count)
    if mention.quant == "only":
        rest = tuple(Not(make(other)) for other in every if other not in names)
        return All(parts + rest)
    if mention.but:
        parts += tuple(Not(make(other)) for other in mention.but)
    return parts[0] if len(parts) == 1 else All(parts)
