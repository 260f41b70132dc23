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
from torch.nn import functional as F  # noqa: N812

from archer.errors import ArcherError
from archer.rules.graph import RuleGraph
from archer.rules.torch_source import compile_hook, hook_arguments, variable


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


@dataclass(frozen=True)
class Inputs:
    """What hooks read beside their own arguments, laid out for broadcasting.

    knobs: name -> [N|1, H|1, 1, 1]; signals: name -> [N, H, M, 1, C].
    """

    knobs: dict[str, Tensor]
    signals: dict[str, Tensor]
    sizes: dict[str, float]
    causal: Tensor  # [C, C]
    before: int  # chunks that were read before these


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
    tokens: tuple[Tensor, Tensor, Tensor, Tensor, Tensor | None],
    knobs: Mapping[str, float | Tensor],
    signals: Mapping[str, Tensor],
    chunk_size: int | None,
    start: State | None,
    final_state: bool,
) -> tuple[Tensor, State | None]:
    """tokens: q, k, v, beta and g, as for `chunkwise`."""
    q, k, v, beta, g = tokens
    if rule.decay is not None and g is not None:
        signals = {**signals, rule.decay: g}  # hooks may read it too
    _check_names(rule, knobs, signals, g)
    memory = _Memory(rule, chunk_size or rule.chunk_size)
    dtype = torch.float64 if q.dtype == torch.float64 else torch.float32
    with torch.autocast(q.device.type, enabled=False):
        q = q.to(dtype) * q.shape[-1] ** -0.5
        start = start and start.to(dtype)
        q_M, k_M, v_M = (_chunks(x.to(dtype), memory.chunk_size) for x in (q, k, v))
        beta_M = _chunks(beta.to(dtype)[..., None], memory.chunk_size)
        g_M = None if g is None else _chunks(g.to(dtype)[..., None], memory.chunk_size)
        inputs = memory.inputs(q_M, v_M, knobs, signals, start.chunks if start else 0)
        output, end = memory.loop(q_M, k_M, v_M, beta_M, g_M, inputs, start, final_state)
    return _tokens(output, q.shape[1]).to(v.dtype), end


@dataclass(frozen=True)
class _Memory:
    """One rule at one chunk size, running over sequences cut into chunks."""

    rule: RuleGraph
    chunk_size: int

    def inputs(
        self,
        q: Tensor,
        v: Tensor,
        given_knobs: Mapping[str, float | Tensor],
        given_signals: Mapping[str, Tensor],
        before: int,
    ) -> Inputs:
        """q: [N, H, M, C, K], v: [N, H, M, C, V]."""
        C = self.chunk_size
        knobs = {}
        for spec in self.rule.knobs:
            value = given_knobs.get(spec.name, spec.default)
            value = torch.as_tensor(value, dtype=q.dtype, device=q.device)
            knobs[spec.name] = value.view((1,) * (2 - value.ndim) + value.shape)[..., None, None]
        signals = {
            name: _chunks(signal.to(q.dtype)[..., None], C).mT  # [N, H, M, 1, C]
            for name, signal in given_signals.items()
        }
        sizes = {"C": float(C), "d_k": float(q.shape[-1]), "d_v": float(v.shape[-1])}
        causal = torch.ones(C, C, dtype=torch.bool, device=q.device).tril()
        return Inputs(knobs, signals, sizes, causal, before)

    def loop(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        beta: Tensor,
        g: Tensor | None,
        inputs: Inputs,
        start: State | None,
        final_state: bool,
    ) -> tuple[Tensor, State | None]:
        """q, k: [N, H, M, C, K]; v: [N, H, M, C, V]; beta, g: [N, H, M, C, 1].

        The last chunk is written, and the state returned, only for `final_state`: training reads
        only the output.
        """
        chunks = q.shape[2]
        scores = (q @ k.mT).masked_fill(~inputs.causal, 0.0)
        keys = k @ k.mT
        k_in, k_out, q_in, carry = k, k, q, None
        if g is not None:
            G = g.cumsum(-2)
            # masked before exp: above the diagonal G_i - G_j > 0 would overflow
            D = (G - G.mT).masked_fill(~inputs.causal, -torch.inf).exp()
            scores, keys = scores * D, keys * D
            k_in, q_in = G.exp() * k, G.exp() * q
            k_out = (G[..., -1:, :] - G).exp() * k
            carry = G[..., -1:, :].exp()
        A = (beta * keys).tril(-1)  # Eq. (1)
        U0, W = _solve(A, beta * v, beta * k_in)  # Eq. (2)
        L = self._local(scores, inputs)
        state, slots = (start.S, start.slots) if start else (None, {})
        outputs = []
        # unbind, not indexing: the backward pass of an index fills a whole tensor with zeros
        rows = zip(*(x.unbind(2) for x in (U0, W, L, q_in, k_out)), strict=True)
        for n, (U, W_n, L_n, q_n, k_n) in enumerate(rows):
            if state is None:
                outputs.append(L_n @ U)
            else:
                U = U - W_n @ state
                outputs.append(q_n @ state + L_n @ U)  # Eq. (4)
            if n + 1 < chunks or final_state:
                U = self._gate(U, n, inputs)  # Eq. (3)
                dS = k_n.mT @ U  # Eq. (5)
                state = torch.zeros_like(dS) if state is None else state
                slots = slots or {slot: torch.zeros_like(dS) for slot in self.rule.slots}
                state = state if carry is None else carry[:, :, n] * state
                state, slots = self._write(state, dS, slots, n, inputs)  # Eq. (6)
        output = torch.stack(outputs, dim=2)
        if state is None or not final_state:
            return output, None
        return output, State(state, slots, inputs.before + chunks)

    def _local(self, scores: Tensor, inputs: Inputs) -> Tensor:
        """All chunks at once: [N, H, M, C, C] -> the same, masked again."""
        if self.rule.is_default("local"):
            return scores
        values = {"scores": scores}
        values |= {f"knob.{name}": knob[:, :, None] for name, knob in inputs.knobs.items()}
        values |= {f"signal.{name}": signal for name, signal in inputs.signals.items()}
        step = torch.arange(1, scores.shape[2] + 1, dtype=scores.dtype, device=scores.device)
        values["step"] = inputs.before + step[:, None, None]
        (weights,) = self._call("local", values, inputs)
        # a rule may weigh by the mask alone
        weights = weights.to(scores.dtype).expand_as(scores)
        return weights.masked_fill(~inputs.causal, 0.0)

    def _gate(self, U: Tensor, n: int, inputs: Inputs) -> Tensor:
        if self.rule.is_default("gate"):
            return U
        (gated,) = self._call("gate", {"U": U} | _chunk_values(n, inputs, U), inputs)
        return gated

    def _write(
        self, S: Tensor, dS: Tensor, slots: dict[str, Tensor], n: int, inputs: Inputs
    ) -> tuple[Tensor, dict[str, Tensor]]:
        if self.rule.is_default("write"):
            return S + dS, slots
        values = {"S": S, "dS": dS} | _chunk_values(n, inputs, S)
        values |= {f"slots.{name}": slot for name, slot in slots.items()}
        results = self._call("write", values, inputs)
        named = dict(zip((name for name, _ in self.rule.write.outputs), results, strict=True))
        return named["S"], {slot: named[f"slots.{slot}"] for slot in self.rule.slots}

    def _call(self, hook: str, values: dict[str, Tensor], inputs: Inputs) -> tuple[Tensor, ...]:
        graph = self.rule.hook(hook)
        arguments: dict[str, Tensor | float] = {
            variable(name): values[name] for name in graph.inputs
        }
        for name in hook_arguments(graph):
            if name in inputs.sizes:
                arguments[name] = inputs.sizes[name]
            elif name == "causal":
                arguments[name] = inputs.causal
        return compile_hook(graph, hook)(**arguments)


def _solve(A: Tensor, *right: Tensor) -> list[Tensor]:
    """(I + A)^-1 times each right-hand side, by forward substitution; A: [..., C, C] strict lower.

    Substitution and not powers of A: with equal keys and beta near 1 the powers grow without
    bound before they cancel. Solving for the identity and multiplying is a fifth faster here than
    solving for the wide right-hand sides.
    """
    identity = torch.eye(A.shape[-1], dtype=A.dtype, device=A.device).expand_as(A)
    X = torch.linalg.solve_triangular(A, identity, upper=False, unitriangular=True)
    return [X @ x for x in right]


def _chunks(x: Tensor, C: int) -> Tensor:
    """[N, T, H, D] -> [N, H, M, C, D], the last chunk filled with zeros."""
    N, T, H, D = x.shape
    x = F.pad(x, (0, 0, 0, 0, 0, -T % C))
    return x.view(N, -1, C, H, D).permute(0, 3, 1, 2, 4)


def _tokens(x: Tensor, length: int) -> Tensor:
    """[N, H, M, C, D] -> [N, T, H, D]."""
    N, H, M, C, D = x.shape
    return x.permute(0, 2, 3, 1, 4).reshape(N, M * C, H, D)[:, :length]


def _chunk_values(n: int, inputs: Inputs, like: Tensor) -> dict[str, Tensor]:
    values = {f"knob.{name}": knob for name, knob in inputs.knobs.items()}
    values |= {f"signal.{name}": signal[:, :, n] for name, signal in inputs.signals.items()}
    values["step"] = like.new_full((1, 1), float(inputs.before + n + 1))
    return values


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
