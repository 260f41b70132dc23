"""Tasks ranked: "Fuzzy Recall is the hardest column for all models", "T is easiest"."""

import re

from archer.report.claims.clause import Clause, quantify
from archer.report.claims.combine import Any
from archer.report.claims.mentions import Mention
from archer.report.claims.statements import Statement, Widest

_WHOLE = re.compile(
    r"(?:overall,? )?T(?P<t>\d+) (?:is|remains|stays|proves|was)(?: by far| clearly)? "
    r"(?:(?P<low>hardest|most difficult|toughest|lowest-scoring)|easiest|highest-scoring)"
    r"(?: (?:1|tasks?|columns?|benchmarks?|sets?|datasets?|games?|test|T\d+))?"
    r"(?: (?:for|of|with|in case of) (?:M(?P<m>\d+)|all|every\w+))?(?: overall)?\W*"
)


def find(clause: Clause) -> list[Statement]:
    """The clause must be this and nothing else."""
    match, table = _WHOLE.fullmatch(clause.text), clause.table
    task = clause.skeleton.tasks[int(match["t"])].single if match else None
    if match is None or task not in table.tasks or len(clause.tasks()) > 1:
        return []
    largest = match["low"] is None

    def of(model: str) -> Statement:
        return Widest(str(task), tuple((t, table.score(model, t)) for t in table.tasks), largest)

    if match["m"]:
        who = clause.skeleton.models[int(match["m"])]
        return [Any(tuple(quantify(who, names, of, ()) for names in who.readings))]
    means = tuple((t, float(table.values[t].mean())) for t in table.tasks)
    most = Mention((table.models,), "most", group=True)
    return [Any((Widest(str(task), means, largest), quantify(most, table.models, of, ())))]
