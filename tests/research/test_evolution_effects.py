"""Expectations: priors, moved by what mutations were measured to do."""

from dataclasses import replace

import pytest
from walk import built_in, score, trained

from archer.mad.settings import TASKS
from archer.research.evolution.effects import PRIOR_WEIGHT, expected, measured, mutations_of, shrunk
from archer.research.evolution.genome import Genome, part
from archer.research.evolution.offer import one_chunk_tasks
from archer.research.evolution.source import rule_source
from archer.research.proposal import Candidate, Proposal
from archer.rules.load import builtin_graph


def child(id: str, by: str, gain: float, stage: str = "quick", proposer: str = "evolution"):
    """A child of `delta`, whose scores are 0.5, that is better by `gain` on every task."""
    genome = Genome().put("step", part("step", "momentum"))
    source = rule_source(genome, "some_rule", f"Made from `delta` by {by}. Why not.")
    proposal = Proposal("some_rule", "", "", source, {}, ("delta",), proposer=proposer)
    return trained(proposal, id, {task: score(0.5 + gain) for task in TASKS}, stage)


def parents() -> list[Candidate]:
    scores = {task: score(0.5) for task in TASKS}
    return [replace(c, scores=scores, stage="quick") for c in built_in()]


def test_a_measured_effect_pulls_the_prior() -> None:
    assert shrunk(0.3, []) == 0.3
    assert shrunk(0.3, [0.0]) == pytest.approx(0.3 * PRIOR_WEIGHT / (PRIOR_WEIGHT + 1))
    assert shrunk(0.0, [0.2] * 97) == pytest.approx(0.194)


def test_mutations_are_read_back_and_counted() -> None:
    both = child("c", "add_accumulator, clip_write", 0.2)
    assert mutations_of(both) == ("add_accumulator", "clip_write")
    won, lost = child("a", "add_accumulator", 0.1), child("b", "add_accumulator", -0.3)
    refused = replace(child("d", "clip_write", 0.0), outcome="refused", scores={}, graph=None)
    elsewhere = child("e", "clip_write", 0.4, stage="core")  # its parent has no scores there
    stranger = child("f", "clip_write", 0.4, proposer="llm")
    effects = measured([*parents(), both, won, lost, refused, elsewhere, stranger])
    assert (effects["add_accumulator"].tried, effects["add_accumulator"].wins) == (3, 2)
    assert effects["add_accumulator"].changes["compression"] == pytest.approx([0.1, -0.3])
    assert (effects["clip_write"].tried, effects["clip_write"].wins) == (2, 1)
    assert effects["clip_write"].changes == {}  # two mutations at once say nothing of either
    assert effects["clip_write"].success == pytest.approx(0.5)


def test_waiting_candidates_say_nothing() -> None:
    waiting = replace(child("a", "clip_write", 0.0), outcome="waiting", scores={})
    assert measured([*parents(), waiting]) == {}


def test_expected_changes_add_up_and_stay_within_the_possible() -> None:
    parent = parents()[0]
    made = [("a", {"memorization": 0.3, "compression": -0.4}), ("b", {"memorization": 0.1})]
    change = expected(made, {}, parent, TASKS)
    assert change["memorization"] == pytest.approx(0.4)
    assert change["compression"] == pytest.approx(-0.4)
    assert change["selective-copying"] == 0.0
    full = replace(parent, scores={"memorization": score(0.95), "compression": score(0.1)})
    change = expected(made, {}, full, TASKS)
    assert change["memorization"] == pytest.approx(0.05)
    assert change["compression"] == pytest.approx(-0.1)
    assert expected(made, {}, parent, TASKS, ["memorization"])["memorization"] == 0.0


def test_tasks_of_one_chunk_cannot_change_by_what_is_written() -> None:
    delta = builtin_graph("delta")
    assert one_chunk_tasks(builtin_graph("adam"), delta) == ("compression", "memorization")
    assert one_chunk_tasks(builtin_graph("softmax_attention"), delta) == ()
    assert one_chunk_tasks(builtin_graph("gated_delta"), delta) == ()
    assert one_chunk_tasks(builtin_graph("adam").with_chunk_size(16), delta) == ()
