"""Precision first: a figure is refuted only when nothing near it explains it."""

from archer.report.claims.clause import Clause
from archer.report.claims.combine import All, Any, Guarded, Unsure
from archer.report.claims.figures import Figure
from archer.report.claims.statements import Change, Statement, Value
from archer.report.claims.table import AVERAGE

SURELY_A_DIFFERENCE = 0.05


def guarded(made: Statement, clause: Clause, *figures: Figure) -> Statement:
    """`made`, but unchecked where every figure is a score or a difference of names nearby.

    Sentences with several names can attach a figure in more ways than a grammar foresees.
    """
    if any(f.bound == "<" and f.as_fraction()[0].value <= SURELY_A_DIFFERENCE for f in figures):
        return Unsure(made)
    if any(f.bound for f in figures):
        return made
    return Guarded(made, All(tuple(_explanations(clause, figure) for figure in figures)))


def _explanations(clause: Clause, figure: Figure) -> Statement:
    table, context = clause.table, clause.context
    mentions = [
        m for m in (*clause.skeleton.spoken("M"), context.subject, context.base) if m is not None
    ]
    models = {n for m in mentions for r in m.readings for n in r}
    models |= {table.baseline} if table.baseline else set()
    topics = [t for t in (*clause.skeleton.spoken("T"), context.tasks) if t is not None]
    tasks = {n for t in topics for n in t.names} or {AVERAGE}
    bare = Figure(figure.value, figure.decimals, figure.unit, "", figure.approx)
    values = [Value(m, t, bare) for m in models for t in tasks]
    changes = [Change(a, b, t, bare) for a in models for b in models if a < b for t in tasks]
    return Any((*values, *changes))


def crowded(clause: Clause, models: int, tasks: int) -> bool:
    """More names in the sentence than these: a figure might belong to another one."""
    s = clause.skeleton
    spoken = {m.names for m in s.models if m.group or len(m.names) == 1}
    topics = {t.names for t in s.tasks if t.group or len(t.names) == 1}
    return len(spoken) > models or len(topics) > tasks
