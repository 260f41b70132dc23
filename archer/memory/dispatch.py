"""The memory of a layer by the fastest engine: generated kernels on a GPU, else PyTorch."""

import warnings
from collections.abc import Mapping
from functools import lru_cache

import torch
from torch import Tensor

from archer.memory.arguments import check_arguments
from archer.memory.chunkwise import chunkwise
from archer.memory.normalise import unit
from archer.rules.graph import RuleGraph


def memory(
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
    normalise: bool = True,
) -> Tensor:
    """What the memory reads, [batch, length, heads, d_v].

    q, k: [batch, length, heads, d_k], L2-normalised here unless `normalise` is False; the rest as
    for `chunkwise`. Where the kernels cannot run a rule, a warning says why, once for each rule.
    Raises ArcherError for names or shapes that do not fit.
    """
    tokens = {"q": q, "k": k, "v": v, "beta": beta, "g": g}
    check_arguments(rule, tokens, knobs or {}, signals or {}, chunk_size)
    C = chunk_size or rule.chunk_size
    rule = rule.with_chunk_size(C).effective(q.shape[1])
    knobs = {spec.name: (knobs or {}).get(spec.name, spec.default) for spec in rule.knobs}
    signals = {
        spec.name: (signals or {})[spec.name] for spec in rule.signals if spec.name != rule.decay
    }
    if q.device.type == "cuda":
        from archer.memory.fused import fused, unsupported

        knobs = _on_device(knobs, q.device)
        why = unsupported(rule, q, v, C)
        if why is None:
            return fused(
                rule, q, k, v, beta, g, knobs=knobs, signals=signals, chunk_size=C, unit=normalise
            )
        _notice(rule.name, why)
    if normalise:
        q, k = unit(full(q)), unit(full(k))
    return chunkwise(rule, q, k, v, beta, g, knobs=knobs, signals=signals, chunk_size=C)[0]


def full(x: Tensor) -> Tensor:
    """x in at least float32."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def _on_device(
    knobs: Mapping[str, float | Tensor], device: torch.device
) -> dict[str, float | Tensor]:
    """Knobs as tensors made on the device: a CUDA graph cannot copy numbers to it."""
    return {
        name: value if isinstance(value, Tensor) else torch.full((1, 1), value, device=device)
        for name, value in knobs.items()
    }


@lru_cache(maxsize=1024)
def _notice(name: str, why: str) -> None:
    warnings.warn(f"rule {name} runs on the PyTorch engine, not the kernels: {why}", stacklevel=3)
