"""The archive: niches by what a rule is good at, and parents drawn from them."""

import math
from collections import Counter
from dataclasses import replace

import pytest
from walk import built_in, score

from archer.mad.settings import TASKS
from archer.research.archive import archive, choose, compete, cost_class, is_better, profile
from archer.research.proposal import Candidate, Proposal
from archer.rules.load import builtin_graph

PROPOSAL = Proposal("rule", "", "", "", {}, ("delta",))


def rule(
    id: str,
    stage: str = "quick",
    cost: float = 1.0,
    parents: tuple[str, ...] = ("delta",),
    **gains: float,
) -> Candidate:
    """A candidate with 0.5 on every task, and so much more on some of them."""
    scores = {task: score(0.5 + gains.get(task.replace("-", "_"), 0.0)) for task in TASKS}
    return Candidate(
        id, id, "", builtin_graph("adam"), parents, PROPOSAL, "weeded", "", stage, scores, cost
    )


def delta(stage: str = "quick") -> Candidate:
    return replace(rule("delta", stage, parents=()), proposal=None, outcome="promoted")


def test_the_best_of_every_niche_stays_and_not_only_the_best_on_average() -> None:
    candidates = [
        delta(),
        rule("best", memorization=0.4),
        rule("second", memorization=0.3),
        rule("copier", selective_copying=0.1),
        rule("dear_copier", selective_copying=0.2, cost=9.0),
        rule("worse", compression=-0.2),
    ]
    elites = {str(elite.niche): elite.candidate.id for elite in archive(candidates)}
    assert elites == {
        "memorization, cheap": "best",
        "selective-copying, cheap": "copier",
        "selective-copying, dear": "dear_copier",
        "no task improved, cheap": "delta",
    }
    assert archive(candidates)[0].candidate.id == "best"


def test_the_order_of_candidates_does_not_change_the_niches() -> None:
    candidates = [delta(), rule("a", memorization=0.2), rule("b", compression=0.1), rule("c")]
    found = {(e.niche, e.candidate.id, e.mean) for e in archive(candidates)}
    assert {(e.niche, e.candidate.id, e.mean) for e in archive(candidates[::-1])} == found


def test_a_profile_names_at_most_the_two_largest_gains_beyond_noise() -> None:
    reference = {task: score(0.5) for task in TASKS}
    gained = {**reference, "compression": score(0.515), "memorization": score(0.6)}
    assert profile(gained, reference) == ("memorization",)
    gained |= {"in-context-recall": score(0.9), "selective-copying": score(0.55)}
    assert profile(gained, reference) == ("in-context-recall", "memorization")


def test_better_means_beyond_both_intervals() -> None:
    assert is_better(score(0.6, 0.05, 3), score(0.5, 0.05, 3))
    assert not is_better(score(0.6, 0.09, 3), score(0.5, 0.09, 3))
    assert not is_better(score(0.51), score(0.5))
    assert is_better(score(0.53), score(0.5))
    assert not is_better(score(0.5, 0.0, 3), score(0.5, 0.0, 3))


def test_only_the_highest_stage_that_enough_have_reached_competes() -> None:
    quick = [delta(), *(rule(f"q{n}") for n in range(6))]
    core = [delta("core"), *(rule(f"c{n}", "core") for n in range(2))]
    assert {c.stage for c in compete([*quick, *core])} == {"quick"}
    core.append(rule("c2", "core"))
    assert {c.id for c in compete([*quick, *core])} == {"delta", "c0", "c1", "c2"}


def test_refused_failed_and_half_tested_rules_do_not_compete() -> None:
    half = rule("half")
    half = replace(half, scores={"compression": score(0.9)})
    lost = replace(rule("lost"), scores=rule("x").scores | {"memorization": score(math.nan)})
    broken = [
        replace(rule("refused", memorization=0.5), outcome="refused"),
        replace(rule("failed", memorization=0.5), outcome="failed"),
        replace(rule("no_graph", memorization=0.5), graph=None),
    ]
    assert [c.id for c in compete([delta(), half, lost, *broken])] == ["delta"]


def test_without_delta_the_median_is_the_reference() -> None:
    candidates = [rule(f"r{n}", memorization=0.1 * n) for n in range(5)]
    tasks = {elite.candidate.id: elite.niche.tasks for elite in archive(candidates)}
    assert tasks == {"r4": ("memorization",), "r2": ()}


def test_parents_are_the_same_for_the_same_arguments_and_from_two_niches() -> None:
    candidates = [delta(), rule("a", memorization=0.2), rule("b", compression=0.1)]
    pairs = [choose(candidates, 1, number) for number in range(40)]
    assert pairs == [choose(candidates, 1, number) for number in range(40)]
    assert all(first.id != second.id for first, second in pairs)
    assert {first.id for first, _ in pairs} == {"delta", "a", "b"}


def test_a_niche_with_fewer_children_is_chosen_more_often() -> None:
    family = [rule(f"child{n}", parents=("a",), memorization=0.1) for n in range(8)]
    candidates = [rule("a", memorization=0.2), rule("b", compression=0.2), *family, delta()]
    drawn = Counter(choose(candidates, 0, number)[0].id for number in range(200))
    assert drawn["b"] > 3 * drawn["a"]


def test_before_anything_is_scored_built_in_rules_are_the_parents() -> None:
    candidates = built_in()
    chosen = {parent.name for number in range(30) for parent in choose(candidates, 0, number)}
    assert len(chosen) > 4
    assert choose([], 0, 0) == ()
    assert [c.id for c in choose([delta()], 0, 0)] == ["delta"]


@pytest.mark.parametrize(
    ("cost", "name"), [(1.0, "cheap"), (2.0, "moderate"), (50.0, "dear"), (math.nan, "unknown")]
)
def test_cost_classes(cost: float, name: str) -> None:
    assert cost_class(cost) == name
