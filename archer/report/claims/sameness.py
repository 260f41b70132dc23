"""No change: "unchanged", "matches the baseline", "identical on Memorize", "no effect"."""

import re
from dataclasses import dataclass
from functools import partial

from archer.report.claims.build import build
from archer.report.claims.clause import Clause
from archer.report.claims.combine import Not
from archer.report.claims.mentions import Mention
from archer.report.claims.roles import Roles, roles, tasks_near
from archer.report.claims.statements import Same, SameGraph, Statement

_EXACT = r"identical|exactly (?:same|equal)|equal(?:s)?|tied?|ties|same"
_NONE = (
    r"unchanged|no (?:\w+ )?(?:change|difference|effect|impact|movement|"
    r"loss|gain)|unaffected|not (?:change|differ|move|affect)\w*|untouched|"
    r"makes? no difference|stays? put|flat|intact|preserv\w+|barely "
    r"(?:change|move|differ|affect)\w*|hardly (?:change|move|differ|"
    r"affect)\w*|negligible|"
    r"indistinguishable|holds steady|remains? stable|constant"
)
_ALIKE = (
    r"match(?:es|ed|ing)?|on par|comparable|similar(?:ly)?|level with|keeps? "
    r"pace|close to|equivalent|in line|roughly (?:same|equal)|neck and neck|"
    r"near-?identical|on a level|alike"
)
ANY = re.compile(rf"\b(?:(?P<none>{_NONE})|(?P<exact>{_EXACT})|(?P<alike>{_ALIKE}))\b")
_SOFT = re.compile(
    r"\b(?:nearly|almost|virtually|essentially|practically|effectively|"
    r"roughly|broadly|about|largely|approximately|near|basically|more "
    r"or less)\b"
)


def find(clause: Clause) -> list[Statement]:
    for match in ANY.finditer(clause.text):
        if any(a < match.end() and match.start() < b for a, b in clause.taken):
            continue
        rest = clause.text[match.end() :]
        if re.match(r"\s*(?:seeds?|protocol|N\d|time|order|model|kind|way|number)", rest):
            continue
        who = _pair(clause, match) or roles(clause, match.start(), match.end())
        if who is None:
            continue
        clause.taken.append((match.start(), match.end()))
        return [build(partial(_same, _kind(clause, match)), who, every=clause.table.models)]
    return []


@dataclass(frozen=True)
class _Kind:
    """How alike: the margins of `Same`; graph: the same function, not only the same score."""

    close: float
    far: float
    negated: bool
    graph: bool


def _kind(clause: Clause, match: re.Match[str]) -> _Kind:
    before, rest = clause.text[: match.start()], clause.text[match.end() :]
    close, far = _margins(match.lastgroup or "", bool(_SOFT.search(before[-16:])))
    if re.search(r"\b(?:exactly|perfectly|precisely)\b", clause.text):
        close, far = _margins("exact", soft=False)
    negated = match.lastgroup != "none" and clause.negated(match.start())
    graph = bool(re.match(r"\s*by construction", rest) or re.search(r"mathematically\s*$", before))
    return _Kind(close, far, negated, graph)


def _same(kind: _Kind, model: str, base: str, task: str) -> Statement:
    if kind.graph:
        return SameGraph(model, base, task)
    same = Same(model, base, task, kind.close, kind.far)
    return Not(same) if kind.negated else same


def _margins(kind: str, soft: bool) -> tuple[float, float]:
    """(surely the same, surely not): "identical" is a matter of the digits shown."""
    if kind == "exact":
        return (0.01, 0.015) if soft else (0.001, 0.005)
    if kind == "none":
        return 0.01, 0.015
    return 0.02, 0.03


def _pair(clause: Clause, match: re.Match[str]) -> Roles | None:
    """ "A and B are tied on T"."""

    if len(clause.models()) > 1:
        return None
    for _, _, mention in clause.models():
        if len(mention.names) == 2 and not mention.group and mention.quant == "each":
            tasks = tasks_near(clause, match.start(), match.end())
            if tasks:
                first, second = mention.names
                return Roles(Mention(((first,),)), Mention(((second,),)), tasks)
    return None
