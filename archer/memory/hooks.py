"""A rule's hooks in the chunkwise engine: each called with what it reads of the chunks.

Shape legend as in `chunkwise`: N batch, H heads, M chunks, C chunk, K = d_k, V = d_v.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from archer.memory.layout import chunks
from archer.rules.graph import RuleGraph
from archer.rules.torch_source import compile_hook, hook_arguments, variable


@dataclass(frozen=True)
class Hooks:
    """The hooks of a rule, and what they read beside their own arguments.

    knobs: name -> [N|1, H|1, 1, 1]; signals: name -> [N, H, M, 1, C]; causal: [C, C]; before: how
    many chunks were read before these.
    """

    rule: RuleGraph
    knobs: dict[str, Tensor]
    signals: dict[str, Tensor]
    sizes: dict[str, float]
    causal: Tensor
    before: int

    def local(self, scores: Tensor) -> Tensor:
        """All chunks at once: [N, H, M, C, C] -> the same, masked again."""
        if self.rule.is_default("local"):
            return scores
        values = {"scores": scores}
        values |= {f"knob.{name}": knob[:, :, None] for name, knob in self.knobs.items()}
        values |= {f"signal.{name}": signal for name, signal in self.signals.items()}
        step = torch.arange(1, scores.shape[2] + 1, dtype=scores.dtype, device=scores.device)
        values["step"] = self.before + step[:, None, None]
        (weights,) = self._call("local", values)
        # a rule may weigh by the mask alone
        weights = weights.to(scores.dtype).expand_as(scores)
        return weights.masked_fill(~self.causal, 0.0)

    def gate(self, U: Tensor, n: int) -> Tensor:
        """U of chunk n, [N, H, C, V]."""
        if self.rule.is_default("gate"):
            return U
        (gated,) = self._call("gate", {"U": U} | self._of_chunk(n, U))
        return gated

    def write(
        self, S: Tensor, dS: Tensor, slots: dict[str, Tensor], n: int
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """S and the slots after chunk n, [N, H, K, V] each."""
        if self.rule.is_default("write"):
            return S + dS, slots
        values = {"S": S, "dS": dS} | self._of_chunk(n, S)
        values |= {f"slots.{name}": slot for name, slot in slots.items()}
        results = self._call("write", values)
        named = dict(zip((name for name, _ in self.rule.write.outputs), results, strict=True))
        return named["S"], {slot: named[f"slots.{slot}"] for slot in self.rule.slots}

    def _of_chunk(self, n: int, like: Tensor) -> dict[str, Tensor]:
        """Knobs, signals and the step of chunk n."""
        values = {f"knob.{name}": knob for name, knob in self.knobs.items()}
        values |= {f"signal.{name}": signal[:, :, n] for name, signal in self.signals.items()}
        values["step"] = like.new_full((1, 1), float(self.before + n + 1))
        return values

    def _call(self, hook: str, values: dict[str, Tensor]) -> tuple[Tensor, ...]:
        graph = self.rule.hook(hook)
        arguments: dict[str, Tensor | float] = {
            variable(name): values[name] for name in graph.inputs
        }
        for name in hook_arguments(graph):
            if name in self.sizes:
                arguments[name] = self.sizes[name]
            elif name == "causal":
                arguments[name] = self.causal
        return compile_hook(graph, hook)(**arguments)


def hooks_of(
    rule: RuleGraph,
    q: Tensor,
    v: Tensor,
    knobs: Mapping[str, float | Tensor],
    signals: Mapping[str, Tensor],
    before: int,
) -> Hooks:
    """q: [N, H, M, C, K], v: [N, H, M, C, V]; knobs and signals as for `chunkwise`."""
    C = q.shape[-2]
    own = {}
    for spec in rule.knobs:
        value = torch.as_tensor(knobs.get(spec.name, spec.default), dtype=q.dtype, device=q.device)
        own[spec.name] = value.view((1,) * (2 - value.ndim) + value.shape)[..., None, None]
    rows = {name: chunks(x.to(q.dtype)[..., None], C).mT for name, x in signals.items()}
    sizes = {"C": float(C), "d_k": float(q.shape[-1]), "d_v": float(v.shape[-1])}
    causal = torch.ones(C, C, dtype=torch.bool, device=q.device).tril()
    return Hooks(rule, own, rows, sizes, causal, before)
