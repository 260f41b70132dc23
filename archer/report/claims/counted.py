"""How many of a group: "three of the six", "all but one", "half of", "on five of six"."""

import re

from archer.report.claims.mentions import Mention, Skeleton, add_tasks
from archer.report.claims.table import ScoreTable

BARE_COUNT = (
    r"(?<=\b(?:on|in|at) )(?P<all>all (?P<n>\d))(?= ?(?:[,.;:)]|$|but\b|by\b|though\b))|"
    r"(?<=\b(?:on|in|at) )(?P<some>(?P<k>\d) (?:out )?of (?:the )?(?P<of>\d))(?= ?(?:[,.;:)]|$|"
    r"by\b))"
)


def bare_count(table: ScoreTable, match: re.Match[str], s: Skeleton) -> str:
    """ "On all four", "on five of six", where that is the number of columns."""
    if int(match["n"] or match["of"]) != len(table.tasks):
        return match[0]
    if match["all"]:
        return add_tasks(s, Mention((table.tasks,), group=True))
    return add_tasks(s, Mention((table.tasks,), "count", int(match["k"]), group=True))


def quantified(quant: str, size: str | None, names: tuple[str, ...]) -> Mention | None:
    """A group with its quantifier, or None when the group's stated size is not its size."""
    number = re.search(r"\d+", quant)
    if number and quant.startswith("all but"):
        return Mention((names,), "count", len(names) - int(number[0]), group=True)
    if number and quant.startswith("only"):
        return Mention((names,), "count", int(number[0]), group=True)
    if number and re.search(r"\bof\b", quant) is None and size is None:
        count = int(number[0])
        if "at least" not in quant and "exactly" not in quant and count == len(names):
            return Mention((names,), "each", group=True)
        if count > len(names):
            return None
        return Mention((names,), "count", count, "at least" in quant, group=True)
    if number:
        if size and int(size) != len(names):
            return None
        return Mention((names,), "count", int(number[0]), "at least" in quant, group=True)
    if size and int(size) != len(names):
        if int(size) < len(names) and quant in ("the", "all", "only"):
            return Mention((names,), "count", int(size), group=True)
        return None
    first = quant.split()[0] if quant else "all"
    if first == "half":
        even = len(names) % 2 == 0
        return Mention((names,), "count", len(names) // 2, group=True) if even else None
    kinds = {"none": "none", "no": "none", "neither": "none", "most": "most"}
    kinds |= {"any": "any", "some": "any", "several": "any", "either": "any"}
    if first == "both" and len(names) != 2:
        return None
    return Mention((names,), kinds.get(first, "each"), group=True)
