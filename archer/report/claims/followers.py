"""The places after one: "A is best on T, followed by B and C"."""

import re

from archer.report.claims.clause import Clause
from archer.report.claims.mentions import Mention
from archer.report.claims.statements import Rank, Statement

_FOLLOWED = re.compile(
    r",? (?:closely |narrowly )?(?:followed(?: closely)? by|and then|then|"
    r"ahead of(?= M\d+(?:,| and)* then\b)) "
    r"(M\d+(?:(?:,| and| then| followed by)+ M\d+)*)"
)


def find(clause: Clause, end: int, place: int, tasks: tuple[Mention, ...]) -> list[Statement]:
    """Who holds the places after `place` (from the bottom when negative), which was given at `end`.

    A list that is not followed leaves the clause unchecked: its first place is not all it says.
    """
    then = _FOLLOWED.search(clause.text, end)
    if then is None:
        return []
    task = tasks[0].single if len(tasks) == 1 else None
    mentions = [clause.skeleton.models[int(i)] for i in re.findall(r"M(\d+)", then[1])]
    plain = all(m.quant == "each" and not m.group and len(m.readings) == 1 for m in mentions)
    if task is None or not plain:
        clause.left_over = True
        return []
    way, names = 1 if place > 0 else -1, [n for m in mentions for n in m.names]
    every = clause.table.models
    return [Rank(name, task, place + way * i, every) for i, name in enumerate(names, 1)]
