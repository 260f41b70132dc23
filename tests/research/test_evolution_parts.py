"""Parts and genomes: the built-in rules are among them, each kind traces, each change is sound."""

import ast
from random import Random

import pytest

from archer.check.probes import finite, gradients
from archer.research.evolution.changes import cross, fresh
from archer.research.evolution.genome import (
    MAX_PARTS,
    PLACES,
    Genome,
    genome_of,
    part,
    problem,
    words,
)
from archer.research.evolution.graft import grafted_source
from archer.research.evolution.hooks_source import borrowed
from archer.research.evolution.known import BUILTIN_GENOMES
from archer.research.evolution.mutations import BY_NAME, MUTATIONS, Mutation
from archer.research.evolution.naming import new_name
from archer.research.evolution.parts import Number
from archer.research.evolution.source import parts_line, rule_source
from archer.research.evolution.tracing import same, traced
from archer.research.proposal import Candidate
from archer.rules.load import BUILTIN, builtin_graph

KINDS = [(place, kind.name) for place, kinds in PLACES.items() for kind in kinds[1:]]
RICH = (
    Genome()
    .put("gate", part("gate", "error"))
    .put("step", part("step", "momentum"))
    .put("local", part("local", "mix"))
)


@pytest.mark.parametrize("name", BUILTIN)
def test_built_in_rules_are_genomes(name: str) -> None:
    """Genome -> source -> graph computes what the built-in rule computes, to 1e-9."""
    source = rule_source(BUILTIN_GENOMES[name], f"my_{name}")
    assert same(traced(source), builtin_graph(name))
    others = [other for other in BUILTIN if other != name]
    assert not any(same(traced(source), builtin_graph(other)) for other in others)


@pytest.mark.parametrize(("place", "kind"), KINDS)
def test_every_kind_is_a_valid_rule_fixed_and_learned(place: str, kind: str) -> None:
    ranges = part(place, kind).kind.ranges
    learned = {r.name: Number(r.levels[0], learn=r.learnable) for r in ranges}
    for numbers in ({}, learned):
        genome = Genome().put(place, part(place, kind, numbers))
        if kind == "matched":  # it changes nothing without a step of its own
            genome = genome.put("step", part("step", "momentum"))
        assert problem(genome) is None
        source = rule_source(genome, "of_one_part")
        graph = traced(source)
        assert not same(graph, builtin_graph("delta"))
        found = gradients(graph) if numbers else finite(graph)
        assert found.passed, found.message
        assert genome_of(parts_line(ast.get_docstring(ast.parse(source)) or "") or "") == genome


@pytest.mark.parametrize("place", PLACES)
def test_levels_lie_strictly_inside_the_bounds(place: str) -> None:
    """A learned knob cannot start on a bound."""
    for kind in PLACES[place]:
        for bounds in kind.ranges:
            assert all(bounds.low < level < bounds.high for level in bounds.levels), kind.name
            assert list(bounds.levels) == sorted(set(bounds.levels))


def test_a_whole_source_reads_as_written_by_hand() -> None:
    genome = Genome().put("step", part("step", "momentum", {"mu": Number(0.7, learn=True)}))
    genome = genome.put("forget", part("forget", "constant", {"lam": Number(0.9)}))
    assert rule_source(genome, "fading_momentum", "Because.") == (
        '''"""Fading momentum: the delta rule with 2 changes.

A low-pass filter smooths what is written. The memory forgets a fixed fraction at every chunk.

    m_n = mu * m_{n-1} + (1 - mu) * dS_n        (1)
    S_n = lam * S_{n-1} + m_n                   (2)

Because. Parts: step momentum(mu=0.7 learned); forget constant(lam=0.9); chunk 32.
"""

from archer import Knob, Rule

LAM = 0.9


class FadingMomentum(Rule):
    mu = Knob(0.7, low=0.0, high=0.99, learn=True)
    slots = ("m",)

    def write(self, S, dS, slots, p):  # [d_k, d_v] each
        m = p.mu * slots.m + (1 - p.mu) * dS  # Eq. (1)
        return LAM * S + m, {"m": m}  # Eq. (2)
'''
    )


@pytest.mark.parametrize(
    "text",
    ["", "chunk x", "step momentum", "step nothing; chunk 32", "step momentum(a=1); chunk 8"],
)
def test_a_line_that_is_no_genome_is_none(text: str) -> None:
    assert genome_of(text) is None


def test_a_genome_goes_through_its_words() -> None:
    rng = Random(0)
    for _ in range(50):
        genome = Genome(chunk_size=rng.choice((8, 64)))
        for place, kinds in PLACES.items():
            genome = genome.put(place, fresh(rng.choice(kinds), rng))
        assert genome_of(words(genome)) == genome


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: m.name)
def test_every_mutation_changes_a_rule_or_does_not_apply(mutation: Mutation) -> None:
    children = [mutation.apply(RICH, Random(seed)) for seed in range(20)]
    found = [child for child in children if child is not None and problem(child) is None]
    has_it = mutation.name in ("gate_by_error", "add_accumulator", "soften_local")
    assert has_it != bool(found)
    assert all(child != RICH for child in found)
    assert mutation.reason.endswith(".")
    assert all(-1 <= change <= 1 for change in mutation.expected.values())


def test_simplify_takes_parts_away_and_learning_moves_the_start() -> None:
    assert BY_NAME["simplify"].apply(Genome(), Random(0)) is None
    simpler = BY_NAME["simplify"].apply(RICH, Random(0))
    assert simpler is not None
    assert len(simpler.parts) == len(RICH.parts) - 1
    learned = BY_NAME["learn_number"].apply(BUILTIN_GENOMES["decay"], Random(0))
    assert learned is not None
    number = learned.part("forget").numbers[0]
    assert number.learn
    assert number.value != 0.95
    assert BY_NAME["learn_number"].apply(learned, Random(0)) is None


def test_crossing_takes_every_part_from_a_parent() -> None:
    a, b = BUILTIN_GENOMES["adam_softmax"], BUILTIN_GENOMES["gated_delta"]
    found = [cross(a, b, Random(seed)) for seed in range(30)]
    children = {child for child in found if child is not None}
    assert len(children) > 2
    for child in children:
        assert all(part in (a.part(place), b.part(place)) for place, part in child.parts)
        assert child.parts not in (a.parts, b.parts)


def test_what_does_not_go_together_is_named() -> None:
    step = Genome().put("step", part("step", "adam"))
    assert problem(step.put("second", part("second", "adam"))) == "two parts use the same name"
    assert "adaptive step undoes" in str(problem(step.put("direction", part("direction", "rms"))))
    trend = Genome().put("step", part("step", "trend")).put("size", part("size", "chosen"))
    assert problem(trend) == "together they can multiply a write by 4"
    assert "changes nothing" in str(problem(Genome().put("size", part("size", "matched"))))
    full = Genome()
    for place in PLACES:
        full = full.put(place, part(place, PLACES[place][1].name))
    assert problem(full) == f"more than {MAX_PARTS} parts"


def test_names_are_taken_once_and_stay_short() -> None:
    assert new_name(["gated", "momentum"], []) == "gated_momentum"
    assert new_name(["gated", "momentum"], ["gated_momentum", "gated_momentum2"]) == (
        "gated_momentum3"
    )
    assert new_name(["momentum"], []) == "momentum2"  # a built-in rule
    assert len(new_name(["some_word"] * 12, [])) <= 48


@pytest.mark.parametrize("name", BUILTIN)
def test_borrowed_hooks_compute_the_same(name: str) -> None:
    """Hooks printed from the graph and traced again have the graph's hash."""
    graph = builtin_graph(name)
    again = traced(grafted_source([Candidate(name, name, "", graph)], Genome(), "again", "Again."))
    assert again.rule_hash == graph.rule_hash
    assert borrowed(graph, name, {"mu"}).renamed.get("mu") in (None, "mu2")
