"""Runs the generated kernels: one forward and one backward over whole sequences, any rule.

The PyTorch engine (`chunkwise`) is the reference; `unsupported` says why a rule must stay there.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from archer.memory.generated import Compiled, kernels_for
from archer.memory.kernels import Kernels, Shape
from archer.memory.launch import Launch
from archer.memory.options import block
from archer.rules.graph import HOOKS, RuleGraph

MAX_CHUNK = 64
HEAD_SIZES = range(1, 129)
PROGRAMS_TO_FILL = 256  # about two for each of an H200's 132 multiprocessors


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
        _on_device(given.get(name, rule.knob(name).default), q.device)
        .expand(batch, heads)
        .contiguous()
        for name in names
    ]
    listed = [(signals or {})[name] for name in compiled.kernels.signals]
    output: Tensor = _Memory.apply(compiled, q, k, v, beta, g, *values, *listed)  # type: ignore[no-untyped-call]
    return output


def _on_device(knob: float | Tensor, device: torch.device) -> Tensor:
    """A knob in fp32. A number is filled in on the device: a copy from the host would wait for the
    device, and could not be recorded in a CUDA graph."""
    if isinstance(knob, Tensor):
        return knob.to(device, torch.float32)
    return torch.full((), knob, dtype=torch.float32, device=device)


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
