"""Clauses about single seeds: "seed 0 of M reaches 0.126 on T", "M beats N in every seed".

A clause with a pick is read here and nowhere else: the mean over seeds says nothing of one of them.
What has no full reading is unchecked.
"""

import re

from archer.report.claims.build import quantify
from archer.report.claims.by_seed import HowMany, Scores
from archer.report.claims.clause import Clause
from archer.report.claims.combine import All, Guarded, Unsure
from archer.report.claims.figures import Figure
from archer.report.claims.grammar import NEGATION, triggers
from archer.report.claims.mentions import Mention
from archer.report.claims.over_seeds import Ahead, Apart, Extent, Which
from archer.report.claims.picks import Pick
from archer.report.claims.statements import Statement, Value
from archer.report.claims.table import AVERAGE

UNKNOWN = "no scores of single seeds are known"
UNREAD = "about single seeds, in words that are not followed"
PICK = re.compile(r"\bpick(\d+)\b")
_SMALL = """
on in for at of by with from to over under across as and is are was were be it its has have had both
score scores scored scoring reach reaches reached reaching get gets got obtain obtains achieve just
achieves achieved attain attains attained record records post posts hit hits manage manages stand
stands lie lies land lands come comes end ends finish finishes do does stay stays remain remains
keeps fall falls drop drops only each respectively accuracy accuracies value values result results
namely that even while i.e
"""
_SPREADS = "differ differs apart gap difference distance between separate separates separated point"
_PLAIN = frozenset(_SMALL.split())
_SPANS = frozenset(("range", "ranges", "ranging", "ranged", "run", "runs", "span", "spans", "vary"))
_GAPS = frozenset((*_SPREADS.split(), "up", "points"))
_WAYS = frozenset(("than", "ahead", "behind", "every", "better", "worse"))
_SOLVES = re.compile(r"\b(?:solve[sd]?|solving)\b")
_FAILS = re.compile(r"\bfail(?:s|ed|ing)?(?: to solve)?\b")
SAYS = re.compile(rf"\b[NR]\d|{_SOLVES.pattern}|{_FAILS.pattern}|pick\d+.* (?:is|was) pick\d")
_REACH = re.compile(r"\b(?:reach|attain|hit|achiev|manag)\w*\s*$")


def find(clause: Clause) -> list[Statement]:
    """What a clause with picks states; nothing where it is not understood."""
    if not clause.table.details.seed_scores.size:
        return []
    return _solved(clause) or _ahead(clause) or _which(clause) or _extent(clause) or _scores(clause)


def _picks(clause: Clause) -> list[tuple[int, Pick]]:
    return [(m.start(), clause.skeleton.picks[int(m[1])]) for m in PICK.finditer(clause.text)]


def _figures(clause: Clause) -> list[tuple[int, Figure]]:
    return [(a, clause.skeleton.figures[i]) for a, _, i in clause.find("N")]


def _only(clause: Clause, words: frozenset[str] = frozenset(), text: str | None = None) -> bool:
    """Are these, and names and plain words, all that the clause is made of?"""
    left = re.sub(r"\b(?:[MTNR]|pick)\d+\b", " ", clause.text if text is None else text)
    if re.search(r"\d", left) or NEGATION.search(left):
        return False
    return set(re.findall(r"[a-z][a-z.'-]*[a-z]|[a-z]|[^\w\s,.;:()'=-]", left)) <= _PLAIN | words


def _where(clause: Clause) -> tuple[str, str, bool] | None:
    """The one model and task; whether both are said. None where there are several, or no model."""
    models, tasks = clause.models(), _tasks(clause)
    model = models[0][2] if models else clause.context.subject
    task = tasks[0] if tasks else clause.context.tasks
    if len(models) > 1 or len(tasks) > 1 or model is None or model.single is None:
        return None
    if task is not None and task.single is None:
        return None
    return model.single, task.single if task and task.single else AVERAGE, task is not None


def _tasks(clause: Clause) -> list[Mention]:
    """Those named; "averages 0.9 over the six tasks" names the average alone."""
    found = [t for _, _, t in clause.tasks()]
    if not any(t.names == (AVERAGE,) for t in found):
        return found
    return [t for t in found if t.names != clause.table.tasks]


def _sure(made: Statement, said: bool) -> list[Statement]:
    return [made if said else Unsure(made)]


def _solved(clause: Clause) -> list[Statement]:
    """ "M solves T with two seeds of three and fails with the third." """
    where, picks = _where(clause), _picks(clause)
    parts = re.split(r",? (?:and|but) (?=(?:\w+ )*(?:fail|solv))", clause.text)
    words = _SOLVES.sub(" ", _FAILS.sub(" ", clause.text))
    if (
        where is None
        or not picks
        or _figures(clause)
        or len(parts) > 2
        or not _only(clause, text=words)
    ):
        return []
    made: list[Statement] = []
    for part in parts:
        solves, fails = _SOLVES.search(_FAILS.sub(" ", part)), _FAILS.search(part)
        here = [clause.skeleton.picks[int(m[1])] for m in PICK.finditer(part)]
        if bool(solves) == bool(fails) or len(here) != 1:
            return []
        pick = here[0] if here[0].kind != "rest" else _others(picks[0][1])
        if pick is None:
            return []
        made.append(HowMany(*where[:2], pick, None, bool(solves)))
    return _sure(All(tuple(made)), where[2])


def _others(pick: Pick) -> Pick | None:
    """ "Two of three ... the third": as many as are left."""
    if pick.kind != "count" or pick.of is None or pick.most != pick.least:
        return None
    left = pick.of - pick.least
    return Pick("count", least=left, most=left, of=pick.of)


def _ahead(clause: Clause) -> list[Statement]:
    """ "In every seed A beats B on T", under the seeds both have."""
    models, picks, ways = clause.models(), _picks(clause), triggers(clause.text)
    tasks = _tasks(clause) or [clause.context.tasks or Mention(((AVERAGE,),))]
    if len(models) != 2 or len(ways) != 1 or not ways[0].sign or len(picks) != 1:
        return []
    if picks[0][1].kind in ("best", "worst", "median", "else", "rest"):
        return []  # two seeds that need not be the same
    way, (at, pick) = ways[0], picks[0]
    (a, _, one), (b, _, other) = models
    words = clause.text[: way.start] + clause.text[way.end :]
    if not a < way.start < b or not _only(clause, _WAYS, words) or len(tasks) > 1:
        return []
    if clause.find("N") or clause.find("R") or one.single is None or one.quant != "each":
        return []
    paired = quantify(
        other,
        other.names,
        lambda m: quantify(
            tasks[0], tasks[0].names, lambda t: Ahead(one.names[0], m, t, pick, way.sign), ()
        ),
        (),
    )
    of_one = re.match(r"pick\d+ of M", clause.text[at:])
    return _sure(paired, not of_one and bool(clause.tasks() or clause.context.tasks))


def _which(clause: Clause) -> list[Statement]:
    """ "Seed 1 is the best of M on T." """
    where, picks = _where(clause), _picks(clause)
    linked = re.search(r"\bpick\d+(?: (?:of|on|for|in) [MT]\d+)* (?:is|was) pick\d+", clause.text)
    if where is None or len(picks) != 2 or not linked or not _only(clause) or _figures(clause):
        return []
    named, place = sorted((p for _, p in picks), key=lambda p: p.kind != "named")
    if len(named.named) != 1 or place.kind not in ("best", "worst", "median"):
        return []
    return _sure(Which(*where[:2], named, place), where[2])


def _extent(clause: Clause) -> list[Statement]:
    """ "M's seeds range from 0.126 to 0.968", "lie 0.842 apart"."""
    where, picks, figures = _where(clause), _picks(clause), _figures(clause)
    s, ranges = clause.skeleton, clause.find("R")
    if where is None or not picks:
        return []
    whole = len(picks) == 1 and picks[0][1].kind == "all"
    spans = re.search(r"\bfrom N(\d+) (?:up |down )?to N(\d+)", clause.text)
    if whole and (ranges or spans) and len(figures) == 2 * (not ranges) and len(ranges) < 2:
        low, high = s.ranges[ranges[0][2]] if ranges else (figures[0][1], figures[1][1])
        loose = not re.search(r"\bfrom\b|\brang|\bspan|\bvar|\brun", clause.text)
        known = _only(clause, _SPANS | {"between", "up", "down", "varies", "spanning"}) and not (
            low.sign or high.sign
        )
        return _sure(Extent(*where[:2], picks[0][1], low, high, loose), where[2]) if known else []
    ends = {p.kind for _, p in picks} == {"best", "worst"} and len(picks) == 2
    gap = set(re.findall(r"[a-z]+", clause.text)) & _GAPS - {"up", "point", "points", "between"}
    if not (whole or ends) or len(figures) != 1 or not gap or not _only(clause, _GAPS):
        return []
    return _sure(Apart(*where[:2], picks[0][1], figures[0][1]), where[2])


def _scores(clause: Clause) -> list[Statement]:
    """Figures beside picks, in turn, or a list of figures beside one."""
    where, picks, figures = _where(clause), _picks(clause), _figures(clause)
    if where is None or not picks or not figures or clause.find("R") or not _only(clause, _ORDER):
        return []
    if any(f.unit in ("x", "pp") or f.sign or f.spread is not None for _, f in figures):
        return []
    aside = len(figures) > 2 and re.search(r"N(\d+)[^N(]*\(pick\d+", clause.text)
    if len(picks) == 1 and (aside or not figures[0][0] < picks[0][0] < figures[-1][0]):
        mean = [Value(*where[:2], figures.pop(0)[1])] if aside else []
        made = _of_one_pick(clause, where[:2], picks[0][1], [f for _, f in figures])
        return (
            [_m for part in (*mean, made) if part for _m in _sure(part, where[2])] if made else []
        )
    order = "".join(
        k for _, k in sorted([(a, "p") for a, _ in picks] + [(a, "n") for a, _ in figures])
    )
    in_turn = order in ("pn" * len(picks), "np" * len(picks))
    if not (in_turn and all(p.one for _, p in picks)):
        return []
    pairs = zip(picks, figures, strict=True)
    return _sure(All(tuple(Scores(*where[:2], p, (f,)) for (_, p), (_, f) in pairs)), where[2])


_ORDER = frozenset(["order"])


def _of_one_pick(
    clause: Clause, cell: tuple[str, str], pick: Pick, figures: list[Figure]
) -> Statement | None:
    if pick.kind in ("rest", "else"):
        return None
    if len(figures) > 1:
        ordered = bool(re.search(r"\b(?:order|respectively)\b", clause.text))
        right = pick.kind in ("all", "count") or len(pick.named) == len(figures)
        bounds = any(f.bound for f in figures)
        return Scores(*cell, pick, tuple(figures), ordered) if right and not bounds else None
    figure, text = figures[0], clause.text
    before = text[: clause.find("N")[0][0]]
    if not figure.bound and pick.kind in ("count", "none", "all") and _REACH.search(before):
        figure = Figure(figure.value, figure.decimals, figure.unit, bound=">")
    if figure.bound and not pick.one:
        return HowMany(*cell, pick, figure)
    if pick.kind == "none":
        return None
    made: Statement = Scores(*cell, pick, (figure,))
    return made if pick.one else Guarded(made, Value(*cell, figure))
