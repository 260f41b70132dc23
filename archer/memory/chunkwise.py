"""The chunkwise engine in PyTorch: any rule graph, any chunk size, any length, autograd.

Per chunk of C tokens, with G the running sum of the log-decay g inside the chunk and
D_ij = exp(G_i - G_j) for j <= i (Yang et al. 2024, arXiv 2406.06484 and 2412.06464):

    A = strict_lower(diag(beta) (K K^T * D))                            (1)
    U0 = (I + A)^-1 diag(beta) V,   W = (I + A)^-1 diag(beta exp(G)) K  (2)
    U  = gate(U0 - W S)                                                 (3)
    O  = diag(exp(G)) Q S + local(lower(Q K^T) * D) (U0 - W S)          (4)
    dS = (diag(exp(G_C - G)) K)^T U                                     (5)
    S  = write(exp(G_C) S, dS, slots)                                   (6)

A last chunk that is not full is filled with tokens of k = v = q = 0, beta = 0, g = 0 and signals
0, which write nothing. Shape legend: N batch, H heads, M chunks, C chunk, K = d_k, V = d_v.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from archer.errors import ArcherError
from archer.memory.hooks import Hooks, hooks_of
from archer.memory.layout import chunks, tokens
from archer.rules.graph import RuleGraph


@dataclass(frozen=True)
class State:
    """What a memory carries from chunk to chunk; S and slots: [N, H, K, V], chunks: how many."""

    S: Tensor
    slots: dict[str, Tensor]
    chunks: int = 0

    def to(self, dtype: torch.dtype) -> "State":
        """The same in another precision."""
        slots = {name: slot.to(dtype) for name, slot in self.slots.items()}
        return State(self.S.to(dtype), slots, self.chunks)


def chunkwise(
    rule: RuleGraph,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    beta: Tensor,
    g: Tensor | None = None,
    *,
    knobs: Mapping[str, float | Tensor] | None = None,
    signals: Mapping[str, Tensor] | None = None,
    chunk_size: int | None = None,
    initial_state: Tensor | None = None,
    output_final_state: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Output [batch, length, heads, d_v] and, if asked for, the state [batch, heads, d_k, d_v].

    q, k: [batch, length, heads, d_k], L2-normalised by the caller (q is scaled by d_k ** -0.5
    inside); v: [batch, length, heads, d_v]; beta, g, signals: [batch, length, heads]; knobs:
    numbers or tensors that broadcast to [batch, heads], defaults where left out. Slots start at 0.
    Computes in fp32, or fp64 for fp64 inputs. Raises ArcherError for a missing signal, an unknown
    knob, or g without a rule that decays.
    """
    start = None if initial_state is None else State(initial_state, {})
    output, end = _run(
        rule, (q, k, v, beta, g), knobs or {}, signals or {}, chunk_size, start, output_final_state
    )
    return output, None if end is None else end.S


def proceed(
    rule: RuleGraph,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    beta: Tensor,
    g: Tensor | None = None,
    *,
    knobs: Mapping[str, float | Tensor] | None = None,
    signals: Mapping[str, Tensor] | None = None,
    chunk_size: int | None = None,
    state: State | None = None,
) -> tuple[Tensor, State]:
    """A piece of a sequence after those that left `state`; its output, and the state it leaves.

    Arguments and errors as for `chunkwise`. Pieces are whole chunks, only the last need not be;
    together they give what one call gives for the whole sequence.
    """
    output, end = _run(
        rule, (q, k, v, beta, g), knobs or {}, signals or {}, chunk_size, state, True
    )
    assert end is not None  # the last chunk was written
    return output, end


def _run(
    rule: RuleGraph,
    given: tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None],
    knobs: Mapping[str, float | Tensor],
    signals: Mapping[str, Tensor],
    chunk_size: int | None,
    start: State | None,
    final_state: bool,
) -> tuple[Tensor, State | None]:
    """given: q, k, v, beta and g, as for `chunkwise`."""
    q, k, v, beta, g = given
    if rule.decay is not None and g is not None:
        signals = {**signals, rule.decay: g}  # hooks may read it too
    _check_names(rule, knobs, signals, g)
    C = chunk_size or rule.chunk_size
    dtype = torch.float64 if q.dtype == torch.float64 else torch.float32
    with torch.autocast(q.device.type, enabled=False):
        q = q.to(dtype) * q.shape[-1] ** -0.5
        start = start and start.to(dtype)
        q_M, k_M, v_M = (chunks(x.to(dtype), C) for x in (q, k, v))
        beta_M = chunks(beta.to(dtype)[..., None], C)
        g_M = None if g is None else chunks(g.to(dtype)[..., None], C)
        hooks = hooks_of(rule, q_M, v_M, knobs, signals, start.chunks if start else 0)
        ready = _prepare(q_M, k_M, v_M, beta_M, g_M, hooks)
        output, end = _walk(ready, hooks, start, final_state)
    return tokens(output, q.shape[1]).to(v.dtype), end


@dataclass(frozen=True)
class _Chunks:
    """What of the chunks does not depend on S.

    U0: [N, H, M, C, V]; W, q (decayed from the chunk's start) and k (to its end): [N, H, M, C, K];
    L, the weights inside a chunk: [N, H, M, C, C]; carry, exp(G_C): [N, H, M, 1, 1].
    """

    U0: Tensor
    W: Tensor
    L: Tensor
    q: Tensor
    k: Tensor
    carry: Tensor | None


def _prepare(
    q: Tensor, k: Tensor, v: Tensor, beta: Tensor, g: Tensor | None, hooks: Hooks
) -> _Chunks:
    """q, k: [N, H, M, C, K]; v: [N, H, M, C, V]; beta, g: [N, H, M, C, 1]."""
    scores = (q @ k.mT).masked_fill(~hooks.causal, 0.0)
    keys = k @ k.mT
    k_in, k_out, q_in, carry = k, k, q, None
    if g is not None:
        G = g.cumsum(-2)
        # masked before exp: above the diagonal G_i - G_j > 0 would overflow
        D = (G - G.mT).masked_fill(~hooks.causal, -torch.inf).exp()
        scores, keys = scores * D, keys * D
        k_in, q_in = G.exp() * k, G.exp() * q
        k_out = (G[..., -1:, :] - G).exp() * k
        carry = G[..., -1:, :].exp()
    A = (beta * keys).tril(-1)  # Eq. (1)
    U0, W = _solve(A, beta * v, beta * k_in)  # Eq. (2)
    return _Chunks(U0, W, hooks.local(scores), q_in, k_out, carry)


def _walk(
    ready: _Chunks, hooks: Hooks, start: State | None, final_state: bool
) -> tuple[Tensor, State | None]:
    """Output [N, H, M, C, V].

    The last chunk is written, and the state returned, only for `final_state`: training reads only
    the output.
    """
    state, slots = (start.S, start.slots) if start else (None, {})
    outputs = []
    # unbind, not indexing: the backward pass of an index fills a whole tensor with zeros
    rows = [x.unbind(2) for x in (ready.U0, ready.W, ready.L, ready.q, ready.k)]
    for n, (U, W, L, q, k) in enumerate(zip(*rows, strict=True)):
        if state is None:
            outputs.append(L @ U)
        else:
            U = U - W @ state
            outputs.append(q @ state + L @ U)  # Eq. (4)
        if n + 1 < len(rows[0]) or final_state:
            U = hooks.gate(U, n)  # Eq. (3)
            dS = k.mT @ U  # Eq. (5)
            state = torch.zeros_like(dS) if state is None else state
            slots = slots or {slot: torch.zeros_like(dS) for slot in hooks.rule.slots}
            state = state if ready.carry is None else ready.carry[:, :, n] * state
            state, slots = hooks.write(state, dS, slots, n)  # Eq. (6)
    output = torch.stack(outputs, dim=2)
    if state is None or not final_state:
        return output, None
    return output, State(state, slots, hooks.before + len(outputs))


def _solve(A: Tensor, *right: Tensor) -> list[Tensor]:
    """(I + A)^-1 times each right-hand side, by forward substitution; A: [..., C, C] strict lower.

    Substitution and not powers of A: with equal keys and beta near 1 the powers grow without
    bound before they cancel. Solving for the identity and multiplying is a fifth faster here than
    solving for the wide right-hand sides.
    """
    identity = torch.eye(A.shape[-1], dtype=A.dtype, device=A.device).expand_as(A)
    X = torch.linalg.solve_triangular(A, identity, upper=False, unitriangular=True)
    return [X @ x for x in right]


def _check_names(
    rule: RuleGraph,
    knobs: Mapping[str, float | Tensor],
    signals: Mapping[str, Tensor],
    g: Tensor | None,
) -> None:
    if g is not None and rule.decay is None:
        raise ArcherError(f"rule {rule.name!r} has no log_decay signal, so it takes no g")
    unknown = set(knobs) - {knob.name for knob in rule.knobs}
    if unknown:
        raise ArcherError(f"rule {rule.name!r} has no knob {', '.join(sorted(unknown))}")
    read = frozenset().union(*(rule.hook(hook).inputs for hook in ("gate", "local", "write")))
    missing = {s.name for s in rule.signals if f"signal.{s.name}" in read} - set(signals)
    if missing:
        raise ArcherError(f"rule {rule.name!r} needs the signals {', '.join(sorted(missing))}")
