"""Ranges of scores: "all between 0.36 and 0.44", "from 0.879 to 0.997"."""

import re
from functools import partial

from archer.report.claims.attach import model_of, task_of
from archer.report.claims.build import quantify
from archer.report.claims.clause import Clause
from archer.report.claims.combine import All, Any, Unsure
from archer.report.claims.extents import Between, Spread
from archer.report.claims.figures import Figure
from archer.report.claims.grammar import triggers
from archer.report.claims.mentions import Mention
from archer.report.claims.statements import Statement

# The two numbers are the lowest and the highest score: "T ranges from a to b", "T (a to b)".
_ENDS = re.compile(
    r"\b(?:rang\w+|spans?|spread\w*|var(?:y|ies)|runs?|extends?|stretch\w*)\b|^(?:on )?T\d+ "
    r"[^MTN:]*\(R\d+\)\W*$"
)


def ranges(clause: Clause) -> list[Statement]:
    found: list[Statement] = []
    for start, end, index in clause.find("R"):
        if index in clause.used_ranges:
            continue
        clause.used_ranges.add(index)
        low, high = clause.skeleton.ranges[index]
        tasks, _ = task_of(clause, start, end)
        models, _ = model_of(clause, start, end)
        if not tasks:
            clause.left_over = True
            continue
        found.append(
            _range(
                clause,
                low,
                high,
                models,
                tasks,
                bool(_ENDS.search(clause.text)),
            )
        )
    return found


def _inside(task: str, low: Figure, high: Figure, model: str) -> Statement:
    return Between(model, None, task, low, high)


def _range(
    clause: Clause,
    low: Figure,
    high: Figure,
    models: Mention | None,
    tasks: tuple[Mention, ...],
    ends: bool,
) -> Statement:
    table = clause.table
    readings: list[Statement] = []
    for mention in tasks:
        for names in mention.readings:
            inherited = models is not None and not clause.models()
            rows = (*(models.readings if models else ()), *((table.models,) if inherited else ()))
            for chosen in rows or (table.models,):
                cells = tuple((m, t) for m in chosen for t in names)
                parts = tuple(Between(m, None, t, low, high) for m, t in cells)
                inside: Statement = All(parts)
                if (
                    models is not None
                    and models.quant in ("none", "most", "count", "only", "any")
                    and len(names) == 1
                ):
                    inside = quantify(
                        models,
                        chosen,
                        partial(_inside, names[0], low, high),
                        table.models,
                    )
                readings.append(Spread(cells, low, high) if ends and len(cells) > 1 else inside)
    made = readings[0] if len(readings) == 1 else Any(tuple(readings))
    whole = ends and not clause.models()  # "scores on T range from a to b" speaks of every row
    moved = any(t.sign for t in triggers(clause.text))  # perhaps a range of differences
    return made if (models is not None or whole) and not moved else Unsure(made)
