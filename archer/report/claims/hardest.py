"""Tasks ranked: "Fuzzy Recall is the hardest column for all models", "T is easiest"."""

import re
from dataclasses import replace

from archer.report.claims.build import quantify
from archer.report.claims.clause import Clause
from archer.report.claims.combine import Any, Not, Unsure
from archer.report.claims.extents import Widest
from archer.report.claims.mentions import Mention
from archer.report.claims.statements import Statement
from archer.report.claims.table import AVERAGE

NTH = {"second": 2, "2nd": 2, "third": 3, "3rd": 3, "fourth": 4, "4th": 4, "next": 2}
_PLACE = r"(?:(?P<low>hardest|most difficult|toughest|lowest-scoring)|easiest|highest-scoring)"
_KIND = r"(?:1|tasks?|columns?|benchmarks?|sets?|datasets?|games?|test|T\d+)"
_WHOM = r"(?: (?:for|of|with|in case of) (?:M(?P<m>\d+)|all|every\w+))?"
_BE = r"(?:is|remains|stays|proves|was)(?: by far| clearly)?"
_WHOLE = (
    re.compile(rf"(?:overall,? )?T(?P<t>\d+) {_BE} {_PLACE}(?: {_KIND})?{_WHOM}(?: overall)?\W*"),
    re.compile(rf"(?:overall,? )?(?:the )?{_PLACE} {_KIND}{_WHOM} {_BE} T(?P<t>\d+)\W*", re.I),
)


def find(clause: Clause) -> list[Statement]:
    """The clause must be this and nothing else."""
    matches = [pattern.fullmatch(clause.text) for pattern in _WHOLE]
    match, table = next(filter(None, matches), None), clause.table
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
        rf"\b(?:(?P<nth>{'|'.join(NTH)})[- ])?(best|strongest|highest|easiest|worst|weakest|lowest|"
        r"hardest|most difficult)(?:-scoring)? (?:task|column|score|benchmark|"
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
    largest = match[2] in ("best", "strongest", "highest", "easiest")
    table, task = clause.table, str(tasks[0])
    clause.taken.append((match.start(), match.end()))
    if model is None:
        sizes = {t: float(table.values[t].mean()) for t in table.tasks}
        return [Unsure(Widest(task, tuple(sizes.items()), largest))]
    sizes = {t: table.score(model, t) for t in table.tasks}
    return [_nth(task, sizes, largest, NTH.get(match["nth"], 1))]


def _nth(task: str, sizes: dict[str, float], largest: bool, place: int) -> Statement:
    """ "M's second lowest score is on T": the lowest, when that one is left out."""
    ranked = sorted(sizes, key=lambda t: -sizes[t] if largest else sizes[t])
    if task in (before := ranked[: place - 1]):
        at = before.index(task)
        return Not(Widest(task, tuple((t, sizes[t]) for t in ranked[at:]), largest))
    return Widest(task, tuple((t, sizes[t]) for t in ranked[place - 1 :]), largest)
