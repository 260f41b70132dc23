"""What a search report says in words, shared by the Markdown and the page."""

import math
from collections import Counter
from collections.abc import Sequence

import pandas as pd

import archer
from archer.report.sections import duration
from archer.research.candidate_report import one
from archer.research.chance import Chance
from archer.research.claims import Claim
from archer.research.entries import Entry
from archer.research.kinds import kind
from archer.research.overview import Overview, Standing, front
from archer.research.predict import SAME, Prediction
from archer.research.spending import Spending
from archer.research.stages import BASELINES

METHOD = (
    "Everything the search chose by is validation data. Test data is read once, at the end, for "
    "promoted rules and what they are held against, on seeds that no choice has seen.",
    "A gap is a rule's mean accuracy over the tasks less delta's, paired over seeds. The gap of "
    "the best of many is too high by the luck of the draw: believe the fresh seeds.",
    "A comparison is a paired t test over fresh seeds with Holm's correction over three "
    "comparisons for every candidate trained, promoted or not.",
    "The control proposes at random from the space of rules, passes the same gates and is trained "
    "the same way, but chooses no parents. Each arm was run once, and candidates of a search "
    "depend on each other: its p-values speak of this run.",
)
FRONT = (
    "Rules that no other beats without costing more; time per token, delta = 1, on one processor "
    "and good to about a tenth"
)
SMOKE = (
    "`smoke` shows that rules train, nothing more: its scores mean nothing, nothing is promoted "
    "for them, and the order below is noise."
)


def setup(overview: Overview) -> list[str]:
    """What was asked, with what, and what it cost."""
    s = overview.session.settings
    lines = [
        f"proposer `{s.proposer}`, preset `{s.preset}`, {_many(s.seeds, 'seed')} per candidate, "
        f"random seed {s.seed}, generations of {s.batch}, on {s.device} ({s.precision})",
        f"budget: {_budget(overview)}",
        _cost("search", overview.spending("search")),
    ]
    if s.control:
        lines.append(_cost("random control", overview.spending("control")))
    ended = one(overview.session.why) if overview.session.ended else "not ended"
    lines.append(f"{ended}; report by Archer {archer.__version__}")
    return lines


def _budget(overview: Overview) -> str:
    b = overview.session.settings.budget
    limits = ((b.hours, "hours"), (b.gpu_hours, "GPU hours"), (b.dollars, "dollars"))
    more = [f"{value:g} {name}" for value, name in limits if value is not None]
    return ", ".join([_many(b.candidates, "candidate"), *more])


def _cost(name: str, spending: Spending) -> str:
    text = f"{name}: {_many(spending.candidates, 'proposal')} in {duration(spending.seconds)}"
    if spending.tokens:
        text += f", {spending.tokens:,} tokens, ${spending.dollars:.2f}"
    return text


def outcome(overview: Overview) -> list[str]:
    """What came of it, in a few sentences."""
    entries = overview.arm("search")
    counts = Counter(entry.outcome for entry in entries)
    told = ", ".join(_counted(n, word) for word, n in sorted(counts.items()))
    said = [f"Of {_many(len(entries), 'proposal')}: {told or 'none yet'}."]
    if overview.stage == "smoke":
        said.append(SMOKE)
    if overview.best:
        top = overview.best[0]
        said.append(
            f"The highest validation score was {top.score:.4f}, by `{top.name}`: {top.gap:+.4f} "
            f"against delta, the best of {len(overview.best)}{_beside(overview, top)}."
        )
    return [*said, *_claimed(overview)]


def _counted(n: int, outcome: str) -> str:
    """ "3 refused"; of the one that is a verb "1 trains" and "3 train"."""
    return f"{n} {'train' if outcome == 'trains' and n > 1 else outcome}"


def _beside(overview: Overview, top: Standing) -> str:
    """The best rule that was there before, measured alike."""
    known = [s for s in overview.standings.values() if s.entry is None and s.scored]
    if overview.stage == "smoke" or not known:
        return ""
    best = max(known, key=lambda s: s.gap)
    return f"; of the built-in rules `{best.name}` is highest: {best.gap:+.4f}"


def _claimed(overview: Overview) -> list[str]:
    """How many promoted rules hold on fresh seeds, and the comparisons of the best of them."""
    if not overview.claims:
        smoke = overview.stage == "smoke"
        return [] if smoke else ["Nothing was compared on fresh seeds: no improvement is claimed."]
    rules = dict.fromkeys(each.rule for each in overview.claims)
    better = {
        base: sum(c.verdict == "better" for c in overview.claims if c.against == base)
        for base in BASELINES
    }
    counts = " and ".join(f"{n} better than `{base}`" for base, n in better.items())
    said = [
        f"On fresh seeds and test data, corrected for {_many(overview.tried, 'candidate')} tried: "
        f"of {_many(len(rules), 'promoted rule')} {counts}."
    ]
    if not any(better.values()):
        said.append("No gain of a promoted rule over a baseline survives the correction.")
    whole = [c for c in overview.claims if not c.lost] or overview.claims
    best = max(whole, key=lambda c: (c.against == BASELINES[-1], c.difference)).rule
    return said + [claim(overview, each) for each in overview.claims if each.rule == best]


def claim(overview: Overview, each: Claim) -> str:
    """One comparison as a sentence."""
    if each.lost:
        return (
            f"`{overview.name(each.rule)}` cannot be told from `{overview.name(each.against)}` on "
            f"{each.stage}: {each.gap.replace('seeds', 'fresh seeds')}."
        )
    verb = {"better": "is better than", "worse": "is worse than"}.get(
        each.verdict, "cannot be told from"
    )
    return (
        f"`{overview.name(each.rule)}` {verb} `{overview.name(each.against)}` on {each.stage}: "
        f"{each.difference:+.4f} ({each.low:+.4f} to {each.high:+.4f}) mean test accuracy over "
        f"{each.n} fresh seeds, p = {each.p:.2g}, corrected {each.p_holm:.2g}."
    )


def by_kind(overview: Overview) -> pd.DataFrame:
    """What worked: changes by name, with expected and measured mean change against the parent.

    Columns change, proposed, scored, promoted, expected, measured, best; the best first.
    """
    rows = []
    changes = overview.predicted
    for name, group in _kinds(overview.arm("search")).items():
        gaps = [_step(overview, entry) for entry in group]
        known = [gap for gap in gaps if not math.isnan(gap)]
        mine = changes[changes["rule"].isin([entry.id for entry in group])]
        rows.append(
            {
                "change": name,
                "proposed": len(group),
                "scored": len(known),
                "promoted": sum(entry.outcome == "promoted" for entry in group),
                "expected": float(mine["expected"].mean()) if len(mine) else math.nan,
                "measured": sum(known) / len(known) if known else math.nan,
                "best": max(known, default=math.nan),
            }
        )
    columns = ["change", "proposed", "scored", "promoted", "expected", "measured", "best"]
    return pd.DataFrame(rows, columns=columns).sort_values(
        "measured", ascending=False, kind="stable", na_position="last", ignore_index=True
    )


def _kinds(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.source:
            found.setdefault(kind(entry), []).append(entry)
    return found


def _step(overview: Overview, entry: Entry) -> float:
    """The candidate's score less its parent's."""
    parent = overview.standings.get(entry.parent)
    return overview.standings[entry.id].gap - parent.gap if parent else math.nan


def refusals(overview: Overview) -> list[tuple[str, int, str]]:
    """Why proposals were refused or failed: gate or stage, how many, the latest reason."""
    lost = [e for e in overview.arm("search") if e.outcome in ("refused", "failed")]
    grouped: dict[str, list[str]] = {}
    for entry in lost:
        where, _, why = entry.reason.partition(": ")
        grouped.setdefault(where, []).append(why or where)
    ordered = sorted(grouped.items(), key=lambda item: -len(item[1]))
    return [(where, len(reasons), reasons[-1]) for where, reasons in ordered]


def prediction(found: Prediction | None) -> list[str]:
    """Did the reasons predict anything?"""
    if found is None:
        return ["No candidate with expectations was scored."]
    slope = f"{found.slope:.2f}" if not math.isnan(found.slope) else "not defined"
    if not math.isnan(found.low):
        slope += f" (95 %: {found.low:.2f} to {found.high:.2f})"
    skill = f" (skill {found.skill:+.2f})" if not math.isnan(found.skill) else ""
    return [
        f"{_many(found.n, 'expected change')} of {_many(found.rules, 'candidate')} were measured.",
        f"The direction (up, down, or same within {SAME:g}) was right in {found.hits:.0%}; that "
        f"nothing changes would have been right in {found.hits_still:.0%}.",
        f"The mean absolute error was {found.error:.4f}; of expecting no change "
        f"{found.error_still:.4f}, so the expectations were "
        f"{_than(found.error, found.error_still)} expecting nothing{skill}.",
        f"The calibration slope, measured on expected, is {slope}; 1 is calibrated, 0 is blind.",
    ]


def _than(a: float, b: float) -> str:
    return "better than" if a < b else "worse than" if a > b else "no better than"


def chance(found: Chance | None) -> list[str]:
    """Is the search better than chance?"""
    if found is None:
        return ["No control has a score: whether the search beats chance is not known."]
    lines = [
        f"Search: best {found.best:+.4f} of {found.n} proposed, {found.scored} scored. "
        f"Random control: best {found.best_control:+.4f} of {found.n_control} proposed, "
        f"{found.scored_control} scored.",
        f"A candidate of the search ranks above one of the control: p = {found.p_typical:.2g} "
        "(one-sided Mann-Whitney; without a score ranks last).",
        f"The best of the search exceeds the control's: p = {found.p_best:.2g} (one-sided "
        "permutation of the arms).",
    ]
    if found.n != found.n_control:
        k, a, b = found.curve[-1]
        lines.append(f"At equal numbers, best of {k}: {a:+.4f} against {b:+.4f} expected.")
    lines.append(f"In this run {_verdict(found)}.")
    return lines


def _verdict(found: Chance) -> str:
    """Both questions are asked of the same candidates, so each is held to half of 0.05."""
    typical, best = found.p_typical < 0.025, found.p_best < 0.025
    if typical and best:
        return "the search was better than chance, in its candidates and in its best"
    if typical:
        return "the candidates of the search were better than chance, its best was not shown to be"
    if best:
        return "the best of the search was better than chance, its candidates were not shown to be"
    return "the search was not shown to be better than chance"


def pareto(overview: Overview) -> list[Standing]:
    """Rules nothing beats without costing more."""
    mine = [s for s in overview.standings.values() if not s.entry or s.entry.arm == "search"]
    return front(mine)


def _many(n: int, word: str) -> str:
    return f"{n} {word}" if n == 1 else f"{n} {word}s"
