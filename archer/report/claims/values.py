"""Scores: "reaches 0.414 on Memorize", "all above 0.97", "the best score is 0.310"."""

import re
from dataclasses import replace

from archer.report.claims.attach import glued, model_of, task_of
from archer.report.claims.build import quantify
from archer.report.claims.clause import Clause
from archer.report.claims.combine import Any, Not, Unsure
from archer.report.claims.extents import Extreme
from archer.report.claims.figures import Figure
from archer.report.claims.guard import crowded, guarded
from archer.report.claims.mentions import Mention
from archer.report.claims.pairs import lists, pairs
from archer.report.claims.spans import ranges
from archer.report.claims.statements import Group, Statement, Value
from archer.report.claims.table import AVERAGE


def find(clause: Clause) -> list[Statement]:
    found = pairs(clause) + lists(clause)
    for start, end, index in clause.free():
        figure = clause.skeleton.figures[index]
        if figure.unit in ("x", "pp") or not _score_like(figure):
            continue
        extreme = _extreme(clause, figure, start, end)
        if extreme is not None:
            clause.used.add(index)
            found.append(extreme)
            continue
        models, sure_model = model_of(clause, start, end)
        tasks, sure_task = task_of(clause, start, end)
        clause.used.add(index)
        if models is None or not tasks:
            clause.left_over = True
            continue
        if clause.negated(start):
            denied = _denied(clause, models, tasks, figure, start)
            found += denied
            clause.left_over = clause.left_over or not denied
            continue
        found.append(
            _value(
                clause, models, tasks, figure, sure_model and sure_task, glued(clause, start, end)
            )
        )
    return found + ranges(clause)


def _denied(
    clause: Clause, models: Mention, tasks: tuple[Mention, ...], figure: Figure, start: int
) -> list[Statement]:
    """ "does not reach 0.5", "is not above 0.4"; other denials are left alone."""
    reaches = re.search(
        r"\b(?:reach|hit|attain|match|achiev|get|make|surpass|come|manag)\w*(?: \w+)?\s*$",
        clause.text[:start],
    )
    if not (figure.bound or reaches) or models.single is None or len(tasks) != 1:
        return []
    bounded = figure if figure.bound else replace(figure, bound=">")
    return [Not(Value(models.single, t, bounded)) for t in tasks[0].names]


def _extreme(clause: Clause, figure: Figure, start: int, end: int) -> Statement | None:
    """ "The best score on T is 0.310", with no model named in the clause."""
    words = r"(?P<top>best|highest|top|maximum|peak)|(?:lowest|worst|minimum|poorest)"
    match = re.search(
        rf"\b(?:{words})(?: (?:score|accuracy|value|result|number|T\d+|"
        rf"one|model|row|single|observed))*(?: (?:on|in|for|across) T\d+)?(?: "
        rf"M\d+)?\s*(?:is|of|at|was|:|=|reaches|being|only|just|[(,]|\s)*$",
        clause.text[:start],
    )
    tasks, _ = task_of(clause, start, end)
    if match is None or len(tasks) != 1 or tasks[0].single is None:
        return None
    if any(not m.group and a < start for a, _, m in clause.models()):
        return None
    made = Extreme(tasks[0].names[0], clause.table.models, figure, match["top"] is not None)
    return made if clause.tasks() or clause.text.startswith("best") else Unsure(made)


def _score_like(figure: Figure) -> bool:
    return (
        figure.unit in ("%", "points")
        or figure.value <= 1.0
        or (figure.value <= 100 and figure.decimals > 0)
    )


def _value(
    clause: Clause,
    models: Mention,
    tasks: tuple[Mention, ...],
    figure: Figure,
    sure: bool,
    direct: bool,
) -> Statement:
    readings: list[Statement] = []
    if models.quant == "none" and not figure.bound:
        figure = replace(figure, bound=">")  # "none reaches 0.7"
    for names in models.readings:
        for mention in tasks:
            for chosen in mention.readings:

                def for_model(
                    model: str, mention: Mention = mention, chosen: tuple[str, ...] = chosen
                ) -> Statement:
                    every = clause.table.tasks
                    return quantify(mention, chosen, lambda task: Value(model, task, figure), every)

                if (
                    models.single
                    and len(chosen) > 1
                    and not mention.group
                    and mention.quant == "each"
                ):
                    readings.append(Value(names[0], chosen[-1], figure))
                others = clause.table.models if figure.bound else ()
                readings.append(quantify(models, names, for_model, others))
                if mention.group and models.single and mention.quant == "each" and not figure.bound:
                    readings.append(Group(models.names[0], chosen, figure))
    groups = [t for _, _, t in clause.tasks() if t.group and t.quant == "each"]
    if groups and models.single and any(t.names == (AVERAGE,) for _, _, t in clause.tasks()):
        readings.append(Group(models.names[0], groups[0].names, figure))
    made = readings[0] if len(readings) == 1 else Any(tuple(readings))
    if not sure:
        return _guarded(clause, made, models, tasks, figure)
    return guarded(made, clause, figure) if not direct and crowded(clause, 1, 1) else made


def _guarded(
    clause: Clause, made: Statement, models: Mention, tasks: tuple[Mention, ...], figure: Figure
) -> Statement:
    """With a name taken from the context: refute only when no other name of the text would do."""
    table = clause.table
    for task in tasks[0].names:
        for model in table.models:
            if (
                model not in models.names
                and Value(model, task, figure).judge(table).status == "confirmed"
            ):
                return Unsure(made)
    for model in models.names:
        for task in (*table.tasks, AVERAGE):
            if (
                task not in tasks[0].names
                and Value(model, task, figure).judge(table).status == "confirmed"
            ):
                return Unsure(made)
    return made
