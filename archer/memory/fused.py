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

from archer.memory.kernel_backward import (
    adjoint_tensors,
    backward_tensors,
    gradients_tensors,
)
from archer.memory.kernel_forward import forward_tensors, prepare_tensors
from archer.memory.triton_codegen import Kernels, Shape
from archer.rules.graph import HOOKS, RuleGraph

MAX_CHUNK = 64
HEAD_SIZES = range(1, 129)
PROGRAMS_TO_FILL = 264  # two for each of an H200's 132 multiprocessors


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
    chunk = kernel_chunk(rule, chunk_size or rule.chunk_size, q.shape[1], q.shape[-1])
    shape = launch_shape(rule, q, v, chunk, unit)
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
    programs = q.shape[0] * q.shape[2]
    return Shape(**{**vars(shape), "block_v": value_block(shape, len(rule.slots), programs)})


def value_block(shape: Shape, slots: int, programs: int) -> int:
    """How many columns of S one program keeps: fewer where slots or fp32 need the room, or where
    there are too few sequences to fill the card."""
    block_v = shape.block_v
    if not shape.bf16 or slots > 1:
        block_v = min(block_v, 32)
    elif shape.block_c < 64:
        block_v = min(block_v, 64)
    while block_v > 32 and programs * (block(shape.d_v) // block_v) < PROGRAMS_TO_FILL:
        block_v //= 2
    return block_v


def kernel_chunk(rule: RuleGraph, chunk_size: int, length: int, head_size: int) -> int:
    """Tokens per chunk of the kernels: the rule's own, or what is fastest where none matters."""
    if any(not rule.is_default(hook) for hook in HOOKS) or length <= 32:
        return chunk_size
    return MAX_CHUNK if head_size > 32 else 16


class _Memory(torch.autograd.Function):
    """Forward and backward launches; partial sums of gradients are added up here."""

    @staticmethod
    def forward(ctx: Any, compiled: Compiled, *tensors: Tensor | None) -> Tensor:
        launch = Launch(compiled, tensors)
        output = launch.forward()
        ctx.compiled, ctx.present = compiled, [tensor is not None for tensor in tensors]
        ctx.save_for_backward(*launch.inputs.values(), *launch.kept.values())
        ctx.kept = tuple(launch.kept)
        return output

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        saved = ctx.saved_tensors
        count = sum(ctx.present)
        given = iter(saved[:count])
        tensors = tuple(next(given) if present else None for present in ctx.present)
        launch = Launch(ctx.compiled, tensors)
        launch.kept = dict(zip(ctx.kept, saved[count:], strict=True))
        found = launch.backward(grads[0])
        names = ("q", "k", "v", "beta", "g", *launch.names)
        return (None, *(found.get(name) for name in names))


class Launch:
    """One call's tensors by the names that the generated kernels give them.

    kept: what `prepare` and `forward` store for the backward pass.
    """

    def __init__(self, compiled: Compiled, tensors: tuple[Tensor | None, ...]) -> None:
        self.compiled, self.kernels = compiled, compiled.kernels
        self.names = (
            *(f"knob_{name}" for name in self.kernels.knobs),
            *(f"signal_{name}" for name in self.kernels.signals),
        )
        named = zip(("q", "k", "v", "beta", "g", *self.names), tensors, strict=True)
        self.inputs = {name: _rows(tensor) for name, tensor in named if tensor is not None}
        self.N, self.T, self.H, _ = self.inputs["q"].shape
        shape = self.kernels.shape
        self.M = -(-self.T // shape.C)
        self.programs = self.N * self.H
        self.splits = -(-shape.d_v // shape.block_v)
        self.kept: dict[str, Tensor] = {}

    def new(self, *size: int, dtype: torch.dtype | None = None) -> Tensor:
        q = self.inputs["q"]
        return torch.empty(size, dtype=dtype or q.dtype, device=q.device)

    def forward(self) -> Tensor:
        self.kept = self._kept()
        output = torch.empty_like(self.inputs["v"], memory_format=torch.contiguous_format)
        if not self.kernels.single:
            each = (self.programs * self.M,)
            self._launch("prepare", each, prepare_tensors(self.kernels), {})
        walk = self.programs, self.splits
        self._launch("forward", walk, forward_tensors(self.kernels), {"o": output})
        return output

    def _kept(self) -> dict[str, Tensor]:
        """Room for what the forward pass leaves to the backward pass."""
        shape, kernels = self.kernels.shape, self.kernels
        tiles = self.programs, self.M, shape.block_c
        widths = {"q_unit": shape.d_k, "k_unit": shape.d_k, "E": shape.d_k, "Y": shape.d_v}
        widths |= dict.fromkeys(("X", "L", "W"), shape.block_c)
        names = {"Y", *kernels.weights}
        kept = {}
        if not kernels.single:
            names |= {"q_unit", "k_unit", "X"}
            scales = ("q_scale", "k_scale")
            kept = {name: self.new(*tiles, dtype=torch.float32) for name in scales}
        elif not kernels.folded:
            names.add("X")
        kept |= {name: self.new(*tiles, widths[name]) for name in sorted(names)}
        states = "S", *(f"slot_{slot}" for slot in kernels.saved_slots)
        size = self.programs, self.M, shape.d_v, shape.d_k
        return kept | {name: self.new(*size) for name in states}

    def backward(self, grad: Tensor) -> dict[str, Tensor]:
        """Gradients by name."""
        fp32 = torch.float32
        each = self.N, self.T, self.H
        found = {f"d{n}": torch.empty_like(self.inputs[n]) for n in ("q", "k", "v")}
        found |= {f"d{n}": self.new(*each, dtype=fp32) for n in ("beta", "g") if n in self.inputs}
        sums = self._single if self.kernels.single else self._walk_and_gather
        found |= sums(_rows(grad), found)
        return {
            name: found[f"d{name}"].to(tensor.dtype)
            for name, tensor in self.inputs.items()
            if f"d{name}" in found
        }

    def _hook_sums(self, parts: int, knobs: tuple[int, ...]) -> dict[str, Tensor]:
        """Room for the gradients of signals and knobs, by parts that are added up later."""
        kernels, each, fp32 = self.kernels, (self.N, self.T, self.H), torch.float32
        sums = {f"dsignal_{s}": self.new(parts, *each, dtype=fp32) for s in kernels.signals}
        return sums | {f"dknob_{k}": self.new(*knobs, dtype=fp32) for k in kernels.trained}

    def _single(self, grad: Tensor, found: dict[str, Tensor]) -> dict[str, Tensor]:
        sums = self._hook_sums(1, (self.N, self.H))
        tensors = backward_tensors(self.kernels)
        self._launch("backward", (self.programs, 1), tensors, {"do": grad} | found | sums)
        return {n: x[0] if n.startswith("dsignal_") else x for n, x in sums.items()}

    def _walk_and_gather(self, grad: Tensor, found: dict[str, Tensor]) -> dict[str, Tensor]:
        kernels, shape, splits = self.kernels, self.kernels.shape, self.splits
        work = {
            "do": grad,
            "ddS": self.new(*self.kept["S"].shape),
            "Z": self.new(self.programs, self.M, shape.block_c, shape.d_v),
        }
        if kernels.has_decay:
            work["d_carry"] = self.new(splits, self.programs, self.M, dtype=torch.float32)
        walked = self._hook_sums(splits, (splits, self.N, self.H))
        walk = self.programs, splits
        self._launch("adjoint", walk, adjoint_tensors(kernels), work | walked)
        if kernels.has_decay:
            work["d_carry"] = work["d_carry"].sum(0)
        local = self._hook_sums(1, (self.N, self.H, self.M))
        chunks = (self.programs * self.M,)
        self._launch("gradients", chunks, gradients_tensors(kernels), work | found | local)
        knobs = {f"dknob_{name}" for name in kernels.trained}
        return {n: walked[n].sum(0) + (x.sum(-1) if n in knobs else x[0]) for n, x in local.items()}

    def _launch(
        self,
        name: str,
        grid: tuple[int, ...],
        tensors: tuple[list[str], list[str]],
        others: Mapping[str, Tensor],
    ) -> None:
        strided, plain = tensors
        by_name = {**self.inputs, **self.kept, **others}
        steps = [stride for each in strided for stride in by_name[each].stride()[:3]]
        arguments = [by_name[each] for each in (*strided, *plain)]
        kernel = getattr(self.compiled.module, name)
        sizes = self.T, self.H, self.M
        kernel[grid](*arguments, *sizes, *steps, **self._constants(name), **options(self, name))

    def _constants(self, name: str) -> dict[str, Any]:
        shape = self.kernels.shape
        block_v = block(shape.d_v) if name == "prepare" else shape.block_v
        if name == "gradients" and self.kernels.can_split:
            block_v = min(64, block(shape.d_v))
        return {
            "C": shape.C,
            "DK": shape.d_k,
            "DV": shape.d_v,
            "BC": shape.block_c,
            "BK": shape.block_k,
            "BV": block_v,
            "SCALE": shape.d_k**-0.5,
        }


def options(launch: Launch, name: str) -> dict[str, int]:
    """Warps and pipelining stages of a kernel, from measurements (docs/kernels.md)."""
    shape = launch.kernels.shape
    small = shape.block_c <= 32
    if name == "prepare":
        few = 1 if shape.block_k <= 32 else 2
        return {"num_warps": few if small else 4, "num_stages": 1}
    if shape.block_k <= 32:
        return {"num_warps": 1 if small else 2, "num_stages": 3 if shape.block_c <= 16 else 2}
    if name == "gradients":
        stages = 2 if small else 3
        return {"num_warps": 4 if small else 8, "num_stages": stages if shape.bf16 else 1}
    if shape.block_k * shape.block_v > 128 * 64:
        return {"num_warps": 8, "num_stages": 2}
    return {"num_warps": 4, "num_stages": 2 if shape.block_v <= 32 else 3}


def _rows(x: Tensor) -> Tensor:
    """[N, T, H, D] with its last axis contiguous; anything else as it is."""
    return x if x.ndim < 4 or x.stride(-1) == 1 else x.contiguous()
