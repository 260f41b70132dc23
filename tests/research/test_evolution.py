"""The evolution proposer: what it proposes is new, valid, readable and the same every time."""

import ast
import re
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from walk import built_in, history, score, trained, walk

from archer.check.probes import finite, gradients
from archer.mad.settings import TASKS
from archer.research.evolution import Evolution, RandomControl
from archer.research.evolution.children import genome_of_candidate, mixed
from archer.research.evolution.known import BUILTIN_GENOMES
from archer.research.evolution.offer import body
from archer.research.evolution.page import class_name
from archer.research.evolution.source import rule_source
from archer.research.evolution.tracing import is_new, same, traced
from archer.research.gates.names import forbidden
from archer.research.proposal import Candidate, Proposal, ProposalError
from archer.rules.load import BUILTIN, builtin_graph

FOREIGN = '''"""A rule of somebody else."""

import torch
from archer import Knob, Rule, Signal


class Foreign(Rule):
    share = Knob(0.25, low=0.0, high=1.0)
    decay = Signal("log_decay")
    eta = Signal("sigmoid")
    slots = ("m",)

    def gate(self, U, p):
        return p.eta[:, None] * U * U.shape[-1] ** -0.5

    def write(self, S, dS, slots, p):
        m = p.share * slots.m + torch.tanh(dS) * (1 + 1 / p.step)
        return S + m * p.eta.mean(), {"m": m}
'''


def foreign(id: str = "x") -> Candidate:
    """A candidate whose source must not be run: only its graph is good."""
    proposal = Proposal("foreign", "", "", "", {}, ("delta",), {"share": 0.5}, proposer="llm")
    graph = traced(FOREIGN)
    return Candidate(id, "foreign", "raise SystemExit(3)", graph, ("delta",), proposal)


def test_a_walk_of_proposals_is_new_valid_and_readable() -> None:
    found = walk(Evolution(), 20)
    assert len({graph.rule_hash for _, graph in found}) == 20
    assert len({proposal.name for proposal, _ in found}) == 20
    for proposal, graph in found:
        assert graph.name == proposal.name
        assert set(proposal.expected) == set(TASKS)
        assert all(-1 <= change <= 1 for change in proposal.expected.values())
        assert proposal.motivation
        assert proposal.bottleneck
        assert forbidden(ast.parse(proposal.source)) is None
        assert max(map(len, proposal.source.splitlines())) <= 100
        docstring = ast.get_docstring(ast.parse(proposal.source)) or ""
        for number in range(1, proposal.source.count("# Eq. (") + 1):
            assert f"({number})\n" in docstring + "\n" or "Hooks of" in docstring
    for _, graph in found[::4]:
        assert finite(graph).passed, finite(graph).message
        assert gradients(graph).passed, gradients(graph).message


def test_equal_histories_give_equal_proposals_and_other_numbers_others() -> None:
    candidates = built_in("quick", Random(1))
    asked = [
        Evolution().ask(history(candidates, "momentum", "gated_delta", number=number, seed=seed))
        for number, seed in ((4, 2), (4, 2), (5, 2), (4, 3))
    ]
    assert asked[0] == asked[1]
    assert len({body(proposal.source) for proposal in asked}) > 1


def test_what_was_proposed_before_is_not_proposed_again() -> None:
    """Neither by graph nor, where a gate refused it and there is no graph, by its text."""
    candidates = built_in("quick", Random(1))
    first = Evolution().ask(history(candidates, "momentum"))
    refused = Candidate("r", first.name, first.source, None, ("momentum",), first, "refused")
    for known in (trained(first, "r", {}), refused):
        second = Evolution().ask(history([*candidates, known], "momentum"))
        assert body(second.source) != body(first.source)
        assert not same(traced(second.source), traced(first.source))
        assert second.name != first.name


def test_a_strangers_rule_is_changed_without_running_its_source() -> None:
    candidates = [*built_in(), foreign()]
    sources = []
    for number in range(8):
        asked = Evolution().ask(history(candidates, "x", "error_gated", number=number))
        sources.append(asked.source)
        graph = traced(asked.source)
        assert is_new(graph, [c.graph for c in candidates if c.graph])
        assert asked.parents[0] == "x"
    assert any("share = Knob(0.3" in source for source in sources)  # mixed
    assert any("foreign_write" in source for source in sources)
    # its own knob keeps the value that its author gave it, under a name that is free
    assert any("share2 = Knob(0.5, low=0.0, high=1.0)" in source for source in sources)


def test_a_mixture_lies_between_its_parents() -> None:
    """With all of one share it computes what that parent computes."""
    parents = [foreign(), built_in()[2]]
    child = mixed(parents)
    assert child is not None
    for share, parent in ((0.0, parents[0]), (1.0, parents[1])):
        graph = traced(child.source("both").replace("Knob(0.3,", f"Knob({share},"))
        wanted = parent.graph
        assert wanted is not None
        if share == 0.0:
            knobs = (replace(wanted.knobs[0], default=0.5),)
            wanted = replace(wanted, knobs=knobs)
        if share == 1.0:  # the decay is the rule's, not a hook's, so it is not mixed away
            wanted = replace(wanted, signals=graph.signals[-1:])
        fixed = replace(graph, knobs=tuple(replace(k, learn=False) for k in graph.knobs))
        assert same(fixed, wanted)


def test_parts_are_believed_only_if_the_graph_has_them() -> None:
    genome = BUILTIN_GENOMES["momentum"]
    source = rule_source(genome, "some_rule", "Made from `delta` by add_accumulator.")
    proposal = Proposal("some_rule", "", "", source, {}, ("delta",), proposer="evolution")
    honest = Candidate("a", "some_rule", source, traced(source), ("delta",), proposal)
    assert genome_of_candidate(honest) == genome
    assert genome_of_candidate(replace(honest, graph=builtin_graph("adam"))) is None
    stranger = replace(honest, proposal=replace(proposal, proposer="llm"))
    assert genome_of_candidate(stranger) is None


def drawn_children(candidates: list[Candidate], parent: str, count: int) -> list[str]:
    """Names of the mutations drawn for single mutations of a parent."""
    proposer, known = Evolution(crossover=0.0, second_mutation=0.0), history(candidates, parent)
    drawn = [proposer.child(known.parents, Random(n), known, {}) for n in range(count)]
    return [child.made[0].name for child in drawn if child is not None]


def test_the_chunk_is_changed_only_where_a_preset_leaves_it_alone() -> None:
    for stage, changes in (("", False), ("quick", False), ("core", True)):
        names = drawn_children(built_in(stage, Random(0)), "delta", 200)
        assert ("resize_chunk" in names) == changes


def test_a_bottleneck_on_a_task_draws_the_mutations_that_promise_something_there() -> None:
    """With memorization far behind, softmax in the chunk is drawn more often than without."""
    even = dict.fromkeys(TASKS, score(0.5))
    candidates = [replace(c, scores=even) for c in built_in("quick", Random(0))]
    behind = list(candidates)
    behind[4] = replace(candidates[4], scores={**even, "memorization": score(0.9)})
    before = drawn_children(candidates, "momentum", 400).count("soften_local")
    assert drawn_children(behind, "momentum", 400).count("soften_local") > 1.3 * before > 0
    asked = Evolution().ask(history(behind, "momentum"))
    wanted = "memorization: 0.50 for momentum, 0.90 for softmax_attention (quick)"
    assert asked.bottleneck == wanted


def test_the_control_is_blind_to_scores_and_parents() -> None:
    low, high = built_in("quick", Random(1)), built_in("quick", Random(2))
    for number in range(5):
        one = RandomControl().ask(history(low, "momentum", number=number))
        other = RandomControl().ask(history(high, "adam", "gated_delta", number=number))
        assert one.source == other.source
        assert one.parents == ("delta",)
        assert one.proposer == "random"


def test_the_controls_rules_are_new_too() -> None:
    found = walk(RandomControl(), 10)
    hashes = {graph.rule_hash for _, graph in found} | {builtin_graph(n).rule_hash for n in BUILTIN}
    assert len(hashes) == 10 + len(BUILTIN)
    assert all(finite(graph).passed for _, graph in found[::3])


def test_with_no_attempt_left_the_reason_is_given() -> None:
    candidates = built_in("quick", Random(0))
    with pytest.raises(ProposalError, match="child of adam and decay, none of them new"):
        Evolution(attempts=0).ask(history(candidates, "adam", "decay"))
    with pytest.raises(ProposalError, match="0 random rules"):
        RandomControl(attempts=0).ask(history(candidates))


def test_without_parents_delta_is_changed() -> None:
    assert Evolution().ask(history(built_in())).parents == ("delta",)


def test_the_examples_of_the_documentation_are_valid_rules() -> None:
    text = (Path(__file__).parents[2] / "docs" / "evolution.md").read_text()
    examples = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(examples) == 3
    for source in examples:
        graph = traced(source)
        assert f"class {class_name(graph.name)}(Rule)" in source
        assert is_new(graph, [builtin_graph(name) for name in BUILTIN])
