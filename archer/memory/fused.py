"""Runs the generated kernels: one forward and one backward over whole sequences, any rule.

The PyTorch engine (`chunkwise`) is the reference; `unsupported` says why a rule must stay there.
"""

import hashlib
import importlib.util
import os
import sys
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from archer.memory.triton_codegen import Kernels, Shape
from archer.rules.graph import HOOKS, RuleGraph

MAX_CHUNK = 64
HEAD_SIZES = range(1, 129)


def unsupported(rule: RuleGraph, q: Tensor, v: Tensor, chunk_size: int) -> str | None:
    """Why the kernels cannot run this, in one line; None if they can."""
    if q.shape[-1] not in HEAD_SIZES or v.shape[-1] not in HEAD_SIZES:
        return f"head sizes {q.shape[-1]} and {v.shape[-1]} (at most 128)"
    if chunk_size > MAX_CHUNK:
        return f"chunk size {chunk_size} (at most {MAX_CHUNK})"
    if q.dtype not in (torch.bfloat16, torch.float32):
        return f"{q.dtype} inputs"
    if rule.decay is not None and any(
        f"signal.{rule.decay}" in rule.hook(hook).inputs for hook in HOOKS
    ):
        return f"a hook that reads the log-decay p.{rule.decay}"
    return None


def block(size: int) -> int:
    """Tile size: the next power of two, at least 16."""
    return max(16, 1 << (size - 1).bit_length())


@lru_cache(maxsize=256)
def kernels_for(rule: RuleGraph, shape: Shape, learned: frozenset[str]) -> "Compiled":
    """Generated and imported kernels; Triton compiles them at their first launch."""
    kernels = Kernels(rule, shape, learned)
    return Compiled(kernels, import_source(kernels.source(), rule.name))


class Compiled:
    """Kernels of one rule and shape, ready to launch."""

    def __init__(self, kernels: Kernels, module: ModuleType) -> None:
        self.kernels, self.module = kernels, module


def cache_folder() -> Path:
    """Where generated sources are kept: $XDG_CACHE_HOME/archer/kernels."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "archer" / "kernels"


def import_source(source: str, name: str) -> ModuleType:
    """Import generated source. Triton reads it from a file, so it is kept in the cache folder."""
    digest = hashlib.sha256(source.encode()).hexdigest()[:16]
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="archer-kernels-"))
    path = folder / f"{name}_{digest}.py"
    if not path.exists():
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(source)
        temporary.replace(path)
    module_name = f"archer_kernels_{name}_{digest}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    spec.loader.exec_module(module)
    return module


def fused(
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
    unit: bool = False,
) -> Tensor:
    """The output of `chunkwise`, [batch, length, heads, d_v], from generated kernels.

    unit: L2-normalise q and k here (x / sqrt(sum x^2 + 1e-6)). State is kept in fp32; matrix
    products take bf16 operands for bf16 inputs and are exact fp32 for fp32 inputs.
    """
    batch, heads = q.shape[0], q.shape[2]
    shape = launch_shape(rule, q, v, chunk_size or rule.chunk_size, unit)
    given = knobs or {}
    learned = frozenset(
        name for name, knob in given.items() if isinstance(knob, Tensor) and knob.requires_grad
    )
    compiled = kernels_for(rule, shape, learned)
    names = compiled.kernels.knobs
    values = [
        torch.as_tensor(
            given.get(name, rule.knob(name).default), dtype=torch.float32, device=q.device
        )
        .expand(batch, heads)
        .contiguous()
        for name in names
    ]
    listed = [(signals or {})[name] for name in compiled.kernels.signals]
    output: Tensor = _Memory.apply(compiled, q, k, v, beta, g, *values, *listed)  # type: ignore[no-untyped-call]
    return output


def launch_shape(rule: RuleGraph, q: Tensor, v: Tensor, chunk_size: int, unit: bool) -> Shape:
    """Tile sizes for a rule: d_v is split where its memories would not fit on chip."""
    d_k, d_v = q.shape[-1], v.shape[-1]
    bf16 = q.dtype == torch.bfloat16
    shape = Shape(
        C=chunk_size,
        d_k=d_k,
        d_v=d_v,
        block_c=block(chunk_size),
        block_k=block(d_k),
        block_v=block(d_v),
        bf16=bf16,
        unit=unit,
    )
    if not Kernels(rule, shape, frozenset()).can_split:
        return shape
    memories = 1 + len(rule.slots)
    largest = 128 * 128 if bf16 else 128 * 32
    block_v = shape.block_v
    while block_v > 16 and memories * shape.block_k * block_v > largest:
        block_v //= 2
    return Shape(**{**vars(shape), "block_v": block_v})


class _Memory(torch.autograd.Function):
    """Forward and backward launches; gradients that blocks of d_v share are summed here."""

    @staticmethod
    def forward(ctx: Any, compiled: Compiled, *tensors: Tensor) -> Tensor:
        launch = _Launch(compiled, tensors)
        ctx.launch = launch
        output = launch.forward()
        ctx.save_for_backward(*(x for x in tensors if x is not None), launch.X, *launch.saved)
        launch.release()
        return output

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        launch: _Launch = ctx.launch
        launch.restore(ctx.saved_tensors)
        result = launch.backward(grads[0])
        launch.release()
        return (None, *result)


class _Launch:
    """One call's tensors, in the order the generated kernels take them."""

    def __init__(self, compiled: Compiled, tensors: tuple[Tensor, ...]) -> None:
        self.compiled, self.kernels = compiled, compiled.kernels
        self.present = [tensor is not None for tensor in tensors]
        self.take([tensor for tensor in tensors if tensor is not None])
        N, T, H, _ = self.q.shape
        self.N, self.T, self.H = N, T, H
        self.M = -(-T // self.kernels.shape.C)
        self.splits = -(-self.kernels.shape.d_v // self.kernels.shape.block_v)

    def take(self, tensors: list[Tensor]) -> None:
        last_contiguous = [x if x.ndim < 4 or x.stride(-1) == 1 else x.contiguous() for x in tensors]
        decay = 1 if self.kernels.has_decay else 0
        self.q, self.k, self.v, self.beta = last_contiguous[:4]
        self.g = last_contiguous[4 : 4 + decay]
        rest = last_contiguous[4 + decay :]
        self.knobs, self.signals = rest[: len(self.kernels.knobs)], rest[len(self.kernels.knobs) :]

    def release(self) -> None:
        """Keep no tensors: autograd holds those that the backward pass needs."""
        del self.q, self.k, self.v, self.beta, self.g, self.knobs, self.signals
        del self.X, self.saved

    def restore(self, tensors: tuple[Tensor, ...]) -> None:
        inputs = sum(self.present)
        self.take(list(tensors[:inputs]))
        self.X, self.saved = tensors[inputs], list(tensors[inputs + 1 :])

    def constants(self) -> dict[str, Any]:
        shape = self.kernels.shape
        return {
            "C": shape.C,
            "DK": shape.d_k,
            "DV": shape.d_v,
            "BC": shape.block_c,
            "BK": shape.block_k,
            "BV": shape.block_v,
            "SCALE": shape.d_k**-0.5,
        }

    def sequences(self) -> list[Tensor]:
        return [self.q, self.k, self.v, self.beta, *self.g, *self.signals]

    def forward(self) -> Tensor:
        shape, kernels = self.kernels.shape, self.kernels
        programs = self.N * self.H
        dtype = self.q.dtype
        new = self.q.new_empty
        self.X = new(programs, self.M, shape.block_c, shape.block_c)
        keys = [self.k, self.beta, *self.g]
        self._launch("inverse", (programs * self.M,), [*keys, self.X], keys)
        output = torch.empty(self.v.shape, dtype=self.v.dtype, device=self.v.device)
        state = programs, self.M, shape.d_k, shape.d_v
        self.saved = [new(state, dtype=dtype)]
        self.saved += [new(state, dtype=torch.float32) for _ in kernels.saved_slots]
        inputs = self.sequences()
        tensors = [*inputs, self.X, *self.knobs, output, *self.saved]
        self._launch("forward", (programs, self.splits), tensors, [*inputs, output])
        return output

    def backward(self, grad: Tensor) -> list[Tensor | None]:
        kernels, splits = self.kernels, self.splits
        grad = grad if grad.stride(-1) == 1 else grad.contiguous()
        new = self.q.new_empty
        rows = (splits, self.N, self.T, self.H)
        fp32 = torch.float32
        wide = self.q.dtype if splits == 1 else fp32
        dq, dk = (new((*rows, kernels.shape.d_k), dtype=wide) for _ in range(2))
        dv = torch.empty(self.v.shape, dtype=self.v.dtype, device=self.v.device)
        dbeta = new(rows, dtype=fp32)
        dg = [new(rows, dtype=fp32) for _ in self.g]
        dsignals = [new(rows, dtype=fp32) for _ in self.signals]
        dknobs = [new((splits, self.N, self.H), dtype=fp32) for _ in kernels.trained]
        inputs = self.sequences()
        shared = [dq, dk, dbeta, *dg, *dsignals]
        tensors = [*inputs, self.X, *self.knobs, *self.saved, grad, dv, *shared, *dknobs]
        self._launch("backward", (self.N * self.H, splits), tensors, [*inputs, grad, dv])
        summed = [_sum(x, like) for x, like in zip(shared, self._like(), strict=True)]
        by_name = dict(zip(kernels.trained, (x.sum(0) for x in dknobs), strict=True))
        knobs = [by_name.get(name) for name in kernels.knobs]
        decay: list[Tensor | None] = [summed[3]] if self.g else [None]
        signals = summed[3 + len(self.g) :]
        return [summed[0], summed[1], dv, summed[2], *decay, *knobs, *signals]

    def _like(self) -> list[Tensor]:
        return [self.q, self.k, self.beta, *self.g, *self.signals]

    def _launch(
        self, name: str, grid: tuple[int, ...], tensors: list[Tensor], strided: list[Tensor]
    ) -> None:
        steps = [stride for tensor in strided for stride in tensor.stride()[:3]]
        kernel = getattr(self.compiled.module, name)
        kernel[grid](
            *tensors, self.T, self.H, self.M, *steps, **self.constants(), **options(self, name)
        )


def options(launch: _Launch, name: str) -> dict[str, int]:
    """Warps and pipelining stages of a kernel, from measurements (docs/performance.md)."""
    shape = launch.kernels.shape
    if name == "inverse":
        return {"num_warps": 1 if shape.block_c <= 32 else 4}
    tile = shape.block_k * shape.block_v
    warps = 8 if tile >= 128 * 64 else 4 if tile >= 64 * 32 else 2
    return {"num_warps": warps, "num_stages": 1}


def _sum(x: Tensor, like: Tensor) -> Tensor:
    return (x[0] if x.shape[0] == 1 else x.sum(0)).to(like.dtype)
