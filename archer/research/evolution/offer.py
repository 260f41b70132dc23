"""From a child to a proposal: a name, a source, a graph that is new, and what is expected of it."""

from collections.abc import Mapping, Sequence

from archer.research.evolution.bottleneck import bottleneck
from archer.research.evolution.children import Child
from archer.research.evolution.effects import Effect, expected
from archer.research.evolution.naming import new_name
from archer.research.evolution.page import WIDTH
from archer.research.evolution.tracing import is_new, traced
from archer.research.proposal import Candidate, History, Proposal
from archer.rules.base import RuleError
from archer.rules.graph import RuleGraph
from archer.rules.load import BUILTIN, builtin_graph

# Tasks that fit one chunk at their baseline: what is written there is never read.
ONE_CHUNK = ("compression", "memorization")
ONE_CHUNK_LENGTH = 32


def propose(
    child: Child,
    history: History,
    known: Sequence[RuleGraph],
    effects: Mapping[str, Effect],
    proposer: str,
) -> Proposal | None:
    """The child as a proposal, or None if it is not a new, valid rule."""
    name = new_name(child.nouns, [candidate.name for candidate in history.candidates])
    source = child.source(name)
    if not readable(source) or body(source) in {
        body(candidate.source) for candidate in history.candidates
    }:
        return None
    try:
        graph = traced(source)
    except RuleError:
        return None
    if not is_new(graph, known):
        return None
    made = [(made.name, made.prior) for made in child.made]
    unchanged = one_chunk_tasks(graph, child.parents[0].graph)
    weakest = bottleneck(child.parents[0], history.candidates, history.tasks)
    reasons = " ".join(made.reason for made in child.made)
    change = expected(made, effects, child.parents[0], history.tasks, unchanged)
    return Proposal(
        name=name,
        motivation=f"{', '.join(name for name, _ in made)}: {child.changes} {reasons}".strip(),
        bottleneck=weakest.text or aim(change),
        source=source,
        expected=change,
        parents=tuple(parent.id for parent in child.parents),
        proposer=proposer,
    )


def readable(source: str) -> bool:
    """Whether every line fits the page."""
    return all(len(line) <= WIDTH for line in source.splitlines())


def body(source: str) -> str:
    """A source without docstring and class name: what tells two files of evolution apart."""
    code = source.split('"""')[-1]
    return "\n".join(line for line in code.splitlines() if not line.startswith("class "))


def aim(change: Mapping[str, float]) -> str:
    """The task that a change is for, where no scores are known yet."""
    task = max(change, key=lambda task: change[task], default="")
    return f"{task}: no scores yet" if change.get(task, 0.0) > 0 else "none known yet"


def one_chunk_tasks(child: RuleGraph, parent: RuleGraph | None) -> tuple[str, ...]:
    """Tasks on which child and parent are the same by construction."""
    if parent is None or min(child.chunk_size, parent.chunk_size) < ONE_CHUNK_LENGTH:
        return ()
    a, b = child.effective(ONE_CHUNK_LENGTH), parent.effective(ONE_CHUNK_LENGTH)
    same = a.with_chunk_size(1).rule_hash == b.with_chunk_size(1).rule_hash
    return ONE_CHUNK if same and a.knobs == b.knobs else ()


def known_graphs(history: History) -> list[RuleGraph]:
    """Graphs of every rule in the history, and of the built-in ones."""
    return [builtin_graph(name) for name in BUILTIN] + [
        candidate.graph for candidate in history.candidates if candidate.graph is not None
    ]


def delta(history: History) -> Candidate:
    """The candidate `delta`, from the history if it is there."""
    found = (c for c in history.candidates if c.name == "delta" and c.proposal is None)
    return next(found, Candidate("delta", "delta", "", builtin_graph("delta")))
