"""Tasks ranked: "Fuzzy Recall is the hardest column for all models", "T is easiest"."""

import re
from dataclasses import replace

from archer.report.claims.build import quantify
from archer.report.claims.clause import Clause
from archer.report.claims.combine import Any, Unsure
from archer.report.claims.extents import Widest
from archer.report.claims.mentions import Mention
from archer.report.claims.statements import Statement
from archer.report.claims.table import AVERAGE

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
        who = replace(clause.skeleton.models[int(match["m"])], but=())
        return [Any(tuple(quantify(who, names, of, ()) for names in who.readings))]
    means = tuple((t, float(table.values[t].mean())) for t in table.tasks)
    most = Mention((table.models,), "most", group=True)
    return [Any((Widest(str(task), means, largest), quantify(most, table.models, of, ())))]


def tasks_of_model(clause: Clause) -> list[Statement]:
    """ "Its best task is T", "the hardest task for M is T"."""
    match = re.search(
        r"\b(best|strongest|highest|easiest|worst|weakest|lowest|hardest|"
        r"most difficult)(?:-scoring)? (?:task|column|score|benchmark|"
        r"result)s?\b",
        clause.text,
    )
    tasks = [t.single for _, _, t in clause.tasks()]
    models = [m.single for _, _, m in clause.models()]
    if match is None or len(tasks) != 1 or tasks[0] in (None, AVERAGE) or len(models) > 1:
        return []
    if not re.search(
        r"(?:task|column|score|benchmark|result)s? ?(?:(?:for|of) M\d+ "
        r")?(?:is|comes? (?:on|from|in)|was|:|\(|are|,|on T\d+(?! (?:is|"
        r"goes|belongs|comes))$)",
        clause.text[match.start() :],
    ):
        return []
    if re.search(r"T\d+ (?:\(N\d+\) )?(?:is|goes|belongs|comes)\b.*M\d", clause.text):
        return []
    model = (
        models[0] if models else (clause.context.subject.single if clause.context.subject else None)
    )
    largest = match[1] in ("best", "strongest", "highest", "easiest")
    table, task = clause.table, str(tasks[0])
    clause.taken.append((match.start(), match.end()))
    if model is None:
        sizes = {t: float(table.values[t].mean()) for t in table.tasks}
        return [Unsure(Widest(task, tuple(sizes.items()), largest))]
    sizes = {t: table.score(model, t) for t in table.tasks}
    return [Widest(task, tuple(sizes.items()), largest)]
