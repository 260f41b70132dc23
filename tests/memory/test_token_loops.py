"""At chunk size 1 a chunk rule is a token rule: each against a loop written by hand."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from archer.rules.graph import RuleGraph
from archer.rules.load import builtin_graph

Loop = Callable[..., Tensor]


def _errors(q: Tensor, k: Tensor, v: Tensor, beta: Tensor, step: Callable[..., Any]) -> Tensor:
    """Reads and writes one head token by token; q, k: [T, d_k], v: [T, d_v], beta: [T].

    step(S, u, k_t, q_t.k_t) -> the memory after the token and the weight of reading u at once.
    """
    S = torch.zeros(k.shape[1], v.shape[1], dtype=k.dtype)
    outputs = []
    for t in range(len(q)):
        q_t = q[t] / k.shape[1] ** 0.5
        u = beta[t] * (v[t] - k[t] @ S)
        new, weight = step(S, u, k[t], q_t @ k[t])
        outputs.append(q_t @ S + weight * u)
        S = new
    return torch.stack(outputs)


def _decay(q: Tensor, k: Tensor, v: Tensor, beta: Tensor, lam: float) -> Tensor:
    return _errors(q, k, v, beta, lambda S, u, k_t, qk: (lam * S + torch.outer(k_t, u), qk))


def _error_gated(q: Tensor, k: Tensor, v: Tensor, beta: Tensor, tau: float) -> Tensor:
    def step(S: Tensor, u: Tensor, k_t: Tensor, qk: Tensor) -> Any:
        gate = 1 - torch.exp(-(u @ u) / (tau * len(u)))
        return S + torch.outer(k_t, gate * u), qk

    return _errors(q, k, v, beta, step)


def _momentum(q: Tensor, k: Tensor, v: Tensor, beta: Tensor, mu: float) -> Tensor:
    m: Any = 0.0

    def step(S: Tensor, u: Tensor, k_t: Tensor, qk: Tensor) -> Any:
        nonlocal m
        m = mu * m + (1 - mu) * torch.outer(k_t, u)
        return S + m, qk

    return _errors(q, k, v, beta, step)


def _softmax_attention(q: Tensor, k: Tensor, v: Tensor, beta: Tensor, scale: float) -> Tensor:
    # a softmax over one token is 1, whatever the scale
    return _errors(q, k, v, beta, lambda S, u, k_t, qk: (S + torch.outer(k_t, u), 1.0))


def _adam(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    beta: Tensor,
    lr: float,
    mu1: float,
    mu2: float,
    eps: float,
    bias_correction: float,
) -> Tensor:
    m = n = torch.zeros(k.shape[1], v.shape[1], dtype=k.dtype)
    count = 0

    def step(S: Tensor, u: Tensor, k_t: Tensor, qk: Tensor) -> Any:
        nonlocal m, n, count
        dS = torch.outer(k_t, u)
        m, n, count = mu1 * m + (1 - mu1) * dS, mu2 * n + (1 - mu2) * dS**2, count + 1
        m_hat = m / (1 - mu1**count) if bias_correction else m
        n_hat = n / (1 - mu2**count) if bias_correction else n
        return S + lr * m_hat / (n_hat + eps) ** 0.5, qk

    return _errors(q, k, v, beta, step)


def _adam_softmax(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    beta: Tensor,
    gamma: float,
    gamma_local: float,
    lr: float,
    mu1: float,
    mu2: float,
    eps: float,
) -> Tensor:
    m = n = torch.zeros(k.shape[1], v.shape[1], dtype=k.dtype)

    def step(S: Tensor, u: Tensor, k_t: Tensor, qk: Tensor) -> Any:
        nonlocal m, n
        dS = torch.outer(k_t, u)
        m, n = mu1 * m + (1 - mu1) * dS, mu2 * n + (1 - mu2) * dS**2
        new = S + (1 - gamma) * dS + gamma * lr * m / (n + eps) ** 0.5
        return new, (1 - gamma_local) * qk + gamma_local

    return _errors(q, k, v, beta, step)


LOOPS: dict[str, tuple[Loop, dict[str, float]]] = {
    "decay": (_decay, {"lam": 0.8}),
    "error_gated": (_error_gated, {"tau": 0.3}),
    "momentum": (_momentum, {"mu": 0.7}),
    "softmax_attention": (_softmax_attention, {"scale": 3.0}),
    "adam": (_adam, {"lr": 0.1, "mu1": 0.8, "mu2": 0.9, "eps": 1e-3, "bias_correction": 0.0}),
    "adam, corrected": (
        _adam,
        {"lr": 0.1, "mu1": 0.8, "mu2": 0.9, "eps": 1e-3, "bias_correction": 1.0},
    ),
    "adam_softmax": (
        _adam_softmax,
        {"gamma": 0.2, "gamma_local": 0.3, "lr": 0.5, "mu1": 0.8, "mu2": 0.9, "eps": 1e-3},
    ),
}


@pytest.mark.parametrize("name", LOOPS)
def test_chunks_of_one_token(name: str, sequences: Callable[..., Any]) -> None:
    loop, knobs = LOOPS[name]
    rule: RuleGraph = builtin_graph(name.partition(",")[0])
    assert set(knobs) == {knob.name for knob in rule.knobs}
    data = sequences(rule, 25, batch=1, heads=1).leaves()
    found, _ = data.run(rule, knobs=knobs, chunk_size=1)
    one = [x[0, :, 0] for x in data.tensors().values()]
    wanted = loop(*one, **knobs)
    torch.testing.assert_close(found[0, :, 0], wanted, rtol=0.0, atol=1e-9)
    inputs = list(data.tensors().values())
    gradients = [torch.autograd.grad(x.square().sum(), inputs) for x in (found, wanted)]
    torch.testing.assert_close(*gradients, rtol=0.0, atol=1e-9)


def _attention(q: Tensor, k: Tensor, v: Tensor, beta: Tensor, scale: float, C: int) -> Tensor:
    """`softmax_attention` for chunks of C tokens: each u_j is what token j writes."""
    S = torch.zeros(k.shape[1], v.shape[1], dtype=k.dtype)
    outputs = []
    for start in range(0, len(q), C):
        inside, written = S, []
        for t in range(start, min(start + C, len(q))):
            q_t = q[t] / k.shape[1] ** 0.5
            written.append(beta[t] * (v[t] - k[t] @ inside))
            inside = inside + torch.outer(k[t], written[-1])
            weights = torch.softmax(scale * (k[start : t + 1] @ q_t), dim=0)
            outputs.append(q_t @ S + weights @ torch.stack(written))
        S = inside
    return torch.stack(outputs)


@pytest.mark.parametrize("C", [1, 4, 7, 32])
def test_softmax_attention_at_any_chunk_size(C: int, sequences: Callable[..., Any]) -> None:
    rule = builtin_graph("softmax_attention")
    data = sequences(rule, 30, batch=1, heads=1)
    found, _ = data.run(rule, knobs={"scale": 5.0}, chunk_size=C)
    one = [x[0, :, 0] for x in data.tensors().values()]
    torch.testing.assert_close(found[0, :, 0], _attention(*one, 5.0, C), rtol=0.0, atol=1e-9)
