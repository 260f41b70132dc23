"""A rule called on tensors: `archer.run_rule`, the fast engine for those who have q, k, v, beta."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from torch import Tensor

from archer.check import checked_graph
from archer.errors import ArcherError
from archer.memory.arguments import check_arguments
from archer.memory.chunkwise import State, proceed
from archer.memory.dispatch import full, memory
from archer.memory.normalise import unit
from archer.rules.base import Rule
from archer.rules.graph import RuleGraph

AnyRule = str | Path | type[Rule] | RuleGraph


def run_rule(
    rule: AnyRule,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    beta: Tensor,
    *,
    g: Tensor | None = None,
    signals: Mapping[str, Tensor] | None = None,
    knobs: Mapping[str, float | Tensor] | None = None,
    chunk_size: int | None = None,
    scale: float | None = None,
    normalise: bool = True,
    initial_state: State | None = None,
    output_final_state: bool = False,
) -> tuple[Tensor, State | None]:
    """What a rule's memory reads, [batch, length, heads, d_v], and, if asked for, its last state.

    Differentiable in every tensor.

    rule: a built-in name, the path of a rule file, a Rule class, or a graph; a file or class is
    checked when it is first used. q, k: [batch, length, heads, d_k], L2-normalised here unless
    `normalise` is False; v: [batch, length, heads, d_v]; beta in (0, 1), the log-decay g <= 0 and
    every signal by its name, as they are after their activations: [batch, length, heads]. knobs: a
    number or a tensor that broadcasts to [batch, heads] each, also outside the bounds that hold in
    training, defaults where left out. chunk_size:
    tokens per chunk, the rule's own by default. scale: of q, d_k ** -0.5 by default.
    On a GPU generated kernels run it, elsewhere PyTorch; so does a GPU where a state is given or
    asked for. A state (its `S`: [batch, heads, d_k, d_v]) is what the memory holds after the last
    token; the call for the tokens that follow takes it, if this one's were whole chunks.
    Raises ArcherError for names or shapes that do not fit.
    """
    graph = rule_graph(rule)
    if scale is not None and q.ndim == 4:
        q, k = (unit(full(q)).to(q.dtype), unit(full(k)).to(k.dtype)) if normalise else (q, k)
        q, normalise = q * (scale * q.shape[-1] ** 0.5), False
    if initial_state is None and not output_final_state:
        output = memory(
            graph,
            q,
            k,
            v,
            beta,
            g,
            knobs=knobs,
            signals=signals,
            chunk_size=chunk_size,
            normalise=normalise,
        )
        return output, None
    tokens = {"q": q, "k": k, "v": v, "beta": beta, "g": g}
    check_arguments(graph, tokens, knobs or {}, signals or {}, chunk_size)
    _check_state(graph, initial_state, q, v)
    if normalise:
        q, k = unit(full(q)), unit(full(k))
    output, state = proceed(
        graph,
        q,
        k,
        v,
        beta,
        g,
        knobs=knobs,
        signals=signals,
        chunk_size=chunk_size,
        state=initial_state,
    )
    return output, state if output_final_state else None


def rule_graph(rule: AnyRule) -> RuleGraph:
    """The graph of a rule, checked once for a class or a version of a file. Raises ArcherError."""
    if isinstance(rule, RuleGraph):
        return rule
    if isinstance(rule, str | Path) and Path(rule).is_file():
        return _of_file(str(rule), Path(rule).stat().st_mtime_ns)
    return _of_class(rule) if isinstance(rule, type) else checked_graph(rule)  # type: ignore[arg-type]


@lru_cache(maxsize=64)
def _of_file(path: str, changed: int) -> RuleGraph:
    return checked_graph(path)


@lru_cache(maxsize=64)
def _of_class(rule: type[Rule]) -> RuleGraph:
    return checked_graph(rule)


def _check_state(rule: RuleGraph, state: State | None, q: Tensor, v: Tensor) -> None:
    if state is None:
        return
    if not isinstance(state, State):
        raise ArcherError("initial_state: give what a call with output_final_state=True returned")
    wanted = q.shape[0], q.shape[2], q.shape[3], v.shape[3]
    if state.S.shape != wanted or set(state.slots) != set(rule.slots):
        raise ArcherError(
            f"initial_state is of another call: its S is {list(state.S.shape)} with slots "
            f"{list(state.slots)}, this call needs {list(wanted)} with {list(rule.slots)}"
        )
