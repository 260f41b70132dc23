"""One call of the generated kernels: room for what they store, and their launches."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from archer.memory import names
from archer.memory.generated import Compiled
from archer.memory.options import columns, options
from archer.memory.writers.tensors import (
    adjoint_tensors,
    backward_tensors,
    forward_tensors,
    gradients_tensors,
    prepare_tensors,
)


class Launch:
    """One call's tensors by the names that the generated kernels give them.

    kept: what `prepare` and `forward` store for the backward pass.
    """

    def __init__(self, compiled: Compiled, tensors: tuple[Tensor | None, ...]) -> None:
        self.compiled, self.kernels = compiled, compiled.kernels
        self.names = (
            *(names.knob(name) for name in self.kernels.knobs),
            *(names.signal(name) for name in self.kernels.signals),
        )
        named = zip(("q", "k", "v", "beta", "g", *self.names), tensors, strict=True)
        self.inputs = {name: _rows(tensor) for name, tensor in named if tensor is not None}
        self.N, self.T, self.H, _ = self.inputs["q"].shape
        shape = self.kernels.shape
        self.M = -(-self.T // shape.C)
        self.programs = self.N * self.H
        self.kept: dict[str, Tensor] = {}

    def splits(self, name: str) -> int:
        """Blocks of d_v in a walk."""
        return -(-self.kernels.shape.d_v // columns(self.kernels, name))

    def _walk(self, name: str) -> tuple[int, ...]:
        """Programs of a walk, those of one sequence side by side."""
        return (self.programs * self.splits(name),)

    def new(self, *size: int, dtype: torch.dtype | None = None) -> Tensor:
        q = self.inputs["q"]
        return torch.empty(size, dtype=dtype or q.dtype, device=q.device)

    def forward(self) -> Tensor:
        self.kept = self._kept()
        output = torch.empty_like(self.inputs["v"], memory_format=torch.contiguous_format)
        if not self.kernels.single:
            each = (self.programs * self.M,)
            self._launch("prepare", each, prepare_tensors(self.kernels), {})
        self._launch("forward", self._walk("forward"), forward_tensors(self.kernels), {"o": output})
        return output

    def _kept(self) -> dict[str, Tensor]:
        """Room for what the forward pass leaves to the backward pass."""
        shape, kernels = self.kernels.shape, self.kernels
        tiles = self.programs, self.M, shape.block_c
        widths = {"E": shape.d_k, "Y": shape.d_v}
        widths |= dict.fromkeys(("X", "L", "W"), shape.block_c)
        rows = {"Y", *kernels.weights}
        if not (kernels.single and kernels.folded):
            rows.add("X")
        kept = {name: self.new(*tiles, dtype=torch.float32) for name in kernels.scales}
        kept |= {name: self.new(*tiles, widths[name]) for name in sorted(rows)}
        states = "S", *(names.slot(slot) for slot in kernels.saved_slots)
        size = self.programs, self.M, shape.d_k, shape.d_v
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
        sums = {f"d{names.signal(s)}": self.new(parts, *each, dtype=fp32) for s in kernels.signals}
        return sums | {f"d{names.knob(k)}": self.new(*knobs, dtype=fp32) for k in kernels.trained}

    def _single(self, grad: Tensor, found: dict[str, Tensor]) -> dict[str, Tensor]:
        sums = self._hook_sums(1, (self.N, self.H))
        tensors = backward_tensors(self.kernels)
        self._launch("backward", (self.programs, 1), tensors, {"do": grad} | found | sums)
        return {n: x[0] if n.startswith("dsignal_") else x for n, x in sums.items()}

    def _walk_and_gather(self, grad: Tensor, found: dict[str, Tensor]) -> dict[str, Tensor]:
        kernels, splits = self.kernels, self.splits("adjoint")
        work = {"do": grad, "ddS": self.new(*self.kept["S"].shape), "dv": found["dv"]}
        if kernels.has_decay:
            work["d_carry"] = self.new(splits, self.programs, self.M, dtype=torch.float32)
        walked = self._hook_sums(splits, (splits, self.N, self.H))
        self._launch("adjoint", self._walk("adjoint"), adjoint_tensors(kernels), work | walked)
        if kernels.has_decay:
            work["d_carry"] = work["d_carry"].sum(0)
        local = self._hook_sums(1, (self.N, self.H, self.M))
        chunks = (self.programs * self.M,)
        self._launch("gradients", chunks, gradients_tensors(kernels), work | found | local)
        knobs = {f"d{names.knob(name)}" for name in kernels.trained}
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
        kernel[grid](
            *arguments, *sizes, *steps, **self._constants(name), **options(self.kernels, name)
        )

    def _constants(self, name: str) -> dict[str, Any]:
        shape = self.kernels.shape
        return {
            "C": shape.C,
            "DK": shape.d_k,
            "DV": shape.d_v,
            "BC": shape.block_c,
            "BK": shape.block_k,
            "BV": columns(self.kernels, name),
            "SCALE": shape.d_k**-0.5,
        }


def _rows(x: Tensor) -> Tensor:
    """[N, T, H, D] with its last axis contiguous; anything else as it is."""
    return x if x.ndim < 4 or x.stride(-1) == 1 else x.contiguous()
