"""The gradient of the stream back through the mixer's output map, to its norm and its weight.

A program walks over rows: the map stays in shared memory, its gradient in registers, so that the
normed rows never reach memory.
"""

# Triton gives the arguments of a kernel their types.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-calls

import torch
import triton.language as tl
from torch import Tensor

from archer.model.kernels.heads import heads_unit, heads_unit_vjp, load_heads
from archer.model.kernels.mlp import Weights, load_square
from archer.model.kernels.tiles import Tiling, jit, load_rows, share, store_rows, tiles

MAP = Tiling(64, 0, 8, 3)
MAP_SHARE = 1024  # rows a program walks over at most


@jit
def _map(
    o, dy, heads, mix, do, partial, N, M, share,
    D: tl.constexpr, H: tl.constexpr, EPS: tl.constexpr,
    STAGES: tl.constexpr, R: tl.constexpr,
):  # fmt: skip
    member = tl.program_id(1).to(tl.int64)
    low = mix.dtype.element_ty
    K: tl.constexpr = D // H
    weight = load_square(mix + member * M, D)
    # Of dy and the normed rows before their weight, [outputs, inputs]: what both weights' gradients
    # are made of, without a sum over each tile for the norm's.
    total = tl.zeros((D, D), dtype=tl.float32)
    scale = load_heads(heads, member, M, H, K)
    first = tl.program_id(0) * share
    for start in tl.range(first, min(first + share, N), R, num_stages=STAGES):
        rows = start + tl.arange(0, R)
        ok = rows < N
        back = load_rows(dy, member, rows, ok, N, D)
        read = load_rows(o, member, rows, ok, N, D)
        dscaled = tl.dot(back, tl.trans(weight), input_precision="ieee")
        unit, inverse = heads_unit(read.to(tl.float32), H, K, EPS)
        total = tl.dot(tl.trans(back), unit.to(low), acc=total, input_precision="ieee")
        along = dscaled * scale[None, :]
        store_rows(do, heads_unit_vjp(along, unit, inverse, H, K), member, rows, ok, N, D)
    i = tl.arange(0, D)
    program = member * tl.num_programs(0) + tl.program_id(0)
    tl.store(partial + program * D * D + i[:, None] * D + i[None, :], total)


def map_backward(o: Tensor, dy: Tensor, weights: Weights, eps: float, gradients: Weights) -> Tensor:
    """do from dy, both [P, N, D]; sets the gradients of the heads' norm and of the map."""
    P, N, D = o.shape
    K = weights.heads.shape[-1]
    do, rows = torch.empty_like(o), share(N, MAP_SHARE, P)
    programs = tiles(N, rows)
    partial = weights.heads.new_empty(P, programs, D, D)
    _map[(programs, P)](
        o, dy, weights.heads, weights.mix, do, partial, N, weights.mix.stride(0), rows, D=D,
        H=D // K, EPS=eps, STAGES=MAP.stages, R=MAP.rows, **MAP.options,
    )  # fmt: skip
    total = partial.sum(1).mT
    heads = weights.heads.repeat(1, D // K)
    torch.mul(total, heads.unsqueeze(2), out=gradients.mix)
    torch.sum((total * weights.mix).view(P, -1, K, D), (1, 3), out=gradients.heads)
    return do
