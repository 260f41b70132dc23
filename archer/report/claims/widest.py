"""Superlatives about differences: "the largest gain is on T", "M drops most on T"."""

import re

from archer.report.claims.clause import Clause
from archer.report.claims.combine import Any
from archer.report.claims.extents import Widest
from archer.report.claims.statements import Statement
from archer.report.claims.table import AVERAGE

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
    r"\b(?P<verb>(?:gains?|improves?|benefits?|loses?|drops?|suffers?|"
    r"differs?|varies|helps?|hurts?|moves?|falls?|rises?)) (?:the )?(?P<how>most|"
    r"least)\b"
)


def superlatives(clause: Clause) -> list[Statement] | None:
    """Superlatives about differences and about tasks; None when there is none."""
    match = WIDEST.search(clause.text)
    if match is None or any(a <= match.start() < b for a, b in clause.taken):
        return None
    clause.taken.append((match.start(), match.end()))
    made = _widest_statement(clause, match)
    for trigger in re.finditer(rf"\b{EXTENT}\b", clause.text):
        clause.taken.append((trigger.start(), trigger.end()))
    return [made] if made is not None else []


def _what(match: re.Match[str]) -> str:
    return match["what"] or match["what2"] or ""


def _sign(word: str) -> int:
    if re.match(
        r"drop|decrease|loss|regression|decline|degradation|deficit|hit|cost|lose|suffer|hurt|fall",
        word,
    ):
        return -1
    return (
        1
        if re.match(
            r"gain|improve|lift|increase|jump|boost|advantage|lead|benefit|rise|help|win", word
        )
        else 0
    )


def _widest_statement(clause: Clause, match: re.Match[str]) -> Statement | None:
    table, sign = clause.table, _sign(_what(match) or match["verb"])
    size = match["size"] or match["size2"] or match["how"]
    if size == "only" or clause.negated(match.start()):
        return None
    largest = size not in ("smallest", "least", "narrowest", "weakest")
    models = [m for _, _, m in clause.models()]
    tasks = [t for _, _, t in clause.tasks()]
    if any(m.group for m in models) or len(models) > 2 or len(tasks) > 1:
        return None
    single = [m.single for m in models]
    pair = models[0].names if len(models) == 1 and len(models[0].names) == 2 else None
    if len(models) == 2 and None not in single:
        pair = (str(single[0]), str(single[1]))
    task = tasks[0].single if tasks else None
    readings: list[Statement] = []
    base = table.baseline
    subject = single[0] if len(models) == 1 else None
    if not models and clause.context.subject is not None:
        subject = clause.context.subject.single
    after = clause.text[match.end() :]
    over_tasks = bool(match["what2"]) or not re.match(r"\s*(?:over M\d+ )?(?:on|in|at) T\d", after)
    over_models = (
        not match["what2"]
        and not re.match(r"\s*(?:of|for|by|from|between|with)? ?M\d+.*T\d", after)
        and not re.search(r"\bM\d+ (?:has |shows |sees |its )?$", clause.text[: match.start()])
    )
    if not over_tasks and not over_models:  # "M shows the largest gain on T" may mean both
        over_tasks = over_models = True
    if task is not None and task != AVERAGE and over_tasks:
        couples = (
            [pair, pair[::-1]]
            if pair
            else [(subject, base)]
            if subject and base and subject != base
            else []
        )
        for a, b in couples:
            sizes = {t: _extent(table.score(a, t) - table.score(b, t), sign) for t in table.tasks}
            readings.append(Widest(task, tuple(sizes.items()), largest))
        if not models and _what(match) in (
            "spread",
            "range",
            "variation",
            "gap",
            "difference",
            "swing",
            "effect",
        ):
            spread = {t: float(table.values[t].max() - table.values[t].min()) for t in table.tasks}
            readings.append(Widest(task, tuple(spread.items()), largest))
    if subject is None and pair and base in pair:
        subject = pair[0] if pair[1] == base else pair[1]
    if (
        subject is not None
        and base is not None
        and subject != base
        and task is not None
        and over_models
    ):
        sizes = {
            m: _extent(table.score(m, task) - table.score(base, task), sign)
            for m in table.models
            if m != base
        }
        readings.append(Widest(subject, tuple(sizes.items()), largest))
    return Any(tuple(readings)) if readings else None


def _extent(difference: float, sign: int) -> float:
    return sign * difference if sign else abs(difference)
