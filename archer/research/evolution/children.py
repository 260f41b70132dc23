"""One child of one or two parents: how it was made, why, and its source under a name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from archer.research.evolution import graft
from archer.research.evolution.changes import cross
from archer.research.evolution.effects import docstring_of, mutations_of
from archer.research.evolution.genome import Genome, genome_of, problem
from archer.research.evolution.known import BUILTIN_GENOMES
from archer.research.evolution.mutations import BY_NAME, MUTATIONS, Mutation
from archer.research.evolution.naming import short
from archer.research.evolution.page import sentences
from archer.research.evolution.source import parts_line, rule_source
from archer.research.evolution.tracing import traced
from archer.research.proposal import Candidate
from archer.rules.base import RuleError
from archer.rules.graph import HOOKS, RuleGraph

MIX = "mix_rules"
Weigh = Callable[[Mutation], float]
_CROSS = "Each parent is better somewhere; the child takes each part from one of them."
_MIX = "Each parent is better somewhere; a learned share lets every layer choose between them."


@dataclass(frozen=True)
class Made:
    """A change that made a child: its name, its reason and its prior expected change per task."""

    name: str
    reason: str
    prior: Mapping[str, float]


@dataclass(frozen=True)
class Child:
    """A rule that could be proposed. nouns: words for its name. genome: None if it is grafted."""

    made: tuple[Made, ...]
    parents: tuple[Candidate, ...]
    nouns: tuple[str, ...]
    changes: str
    write: Callable[[str, str], str]
    genome: Genome | None = None

    def source(self, name: str) -> str:
        """Text of its rule file under this name."""
        parents = " and ".join(f"`{graft.plain_name(parent)}`" for parent in self.parents)
        names = ", ".join(made.name for made in self.made)
        reasons = " ".join(dict.fromkeys(made.reason for made in self.made))
        return self.write(name, f"Made from {parents} by {names}. {reasons}")


def genome_of_candidate(candidate: Candidate) -> Genome | None:
    """The parts of a rule, if it is made of parts: built in, or written by evolution.

    A source that claims other parts than its graph shows is not believed.
    """
    if candidate.proposal is None:
        return BUILTIN_GENOMES.get(candidate.name)
    line = parts_line(docstring_of(candidate))
    genome = genome_of(line) if line else None
    if genome is None or candidate.graph is None:
        return genome
    try:
        again = traced(rule_source(genome, "again"))
    except RuleError:
        return None
    return genome if again.rule_hash == candidate.graph.rule_hash else None


def of_genome(made: Sequence[Made], parents: Sequence[Candidate], genome: Genome) -> Child:
    """A child made of parts."""
    order = ("decay", "forget", "gate", "direction", "size", "second", "step", "slow", "local")
    parts = dict(genome.parts)
    nouns = [parts[place].kind.noun for place in order if place in parts]
    return Child(
        tuple(made),
        tuple(parents),
        tuple(nouns or ["plain"]),
        sentences(genome),
        lambda name, about: rule_source(genome, name, about),
        genome,
    )


def mutated(
    parent: Candidate, genome: Genome, rng: Random, times: int, weigh: Weigh
) -> Child | None:
    """Some mutations one after the other, each drawn by its weight among those that apply."""
    made: list[Made] = []
    for _ in range(times):
        options = [(m, child) for m in MUTATIONS if (child := m.apply(genome, rng))]
        options = [(m, child) for m, child in options if not problem(child)]
        weights = [weigh(m) for m, _ in options]
        if not options or not sum(weights):
            return None
        mutation, genome = rng.choices(options, weights)[0]
        made.append(Made(mutation.name, mutation.reason, mutation.expected))
    return of_genome(made, [parent], genome)


def crossed(parents: Sequence[Candidate], genomes: Sequence[Genome], rng: Random) -> Child | None:
    """Parts of both parents."""
    genome = cross(genomes[0], genomes[1], rng)
    if genome is None or problem(genome):
        return None
    made = Made("cross_parts", _CROSS, graft.between(parents, 0.5))
    return of_genome([made], parents, genome)


def mixed(parents: Sequence[Candidate]) -> Child | None:
    """Both parents' hooks under a learned share; a mixture is not mixed again."""
    graphs = [parent.graph for parent in parents if parent.graph]
    again = any(MIX in mutations_of(parent) for parent in parents)
    plain = any(all(graph.is_default(hook) for hook in HOOKS) for graph in graphs)
    if (
        len(graphs) < 2
        or again
        or plain
        or sum(map(graft.operations, graphs)) > graft.MAX_OPERATIONS
    ):
        return None
    names = [graft.plain_name(parent) for parent in parents]
    return Child(
        (Made(MIX, _MIX, graft.between(parents, graft.START)),),
        tuple(parents),
        (short(names[0]), "with", short(names[1])),
        f"The hooks of `{names[0]}` and `{names[1]}` are mixed.",
        lambda name, about: graft.grafted_source(parents, Genome(), name, about),
    )


def grafted(parent: Candidate, rng: Random, weigh: Weigh) -> Child | None:
    """One part on top of a rule that is not made of parts, or one of its hooks less."""
    if parent.graph is None:
        return None
    options: list[tuple[Mutation, Genome | RuleGraph]] = []
    for mutation in MUTATIONS:
        if mutation.place:
            genome = graft.on_top(parent.graph, mutation.place, mutation.kinds, rng)
            options += [(mutation, genome)] if genome else []
    changed = [hook for hook in HOOKS if not parent.graph.is_default(hook)]
    if len(changed) + (parent.graph.decay is not None) > 1:
        options += [(BY_NAME["simplify"], graft.without(parent.graph, hook)) for hook in changed]
    weights = [weigh(mutation) for mutation, _ in options]
    if not options or not sum(weights):
        return None
    mutation, change = rng.choices(options, weights)[0]
    if isinstance(change, Genome):
        return _changed(parent, parent.graph, mutation, change)
    return _changed(parent, change, mutation, Genome(chunk_size=parent.graph.chunk_size))


def _changed(parent: Candidate, graph: RuleGraph, mutation: Mutation, genome: Genome) -> Child:
    base = replace(parent, graph=graph)
    nouns = [part.kind.noun for _, part in genome.parts] or ["simpler"]
    name = short(graft.plain_name(parent))
    return Child(
        (Made(mutation.name, mutation.reason, mutation.expected),),
        (parent,),
        (*nouns, name) if nouns == ["simpler"] else (name, *nouns),
        sentences(genome) or "One of its hooks is DeltaNet's again.",
        lambda name, about: graft.grafted_source([base], genome, name, about),
    )
