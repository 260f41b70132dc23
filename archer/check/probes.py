"""Checks by execution: the rule's graph is run on small sequences and its answers looked at."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from archer.check import blame
from archer.check.inputs import D_K, D_V, HEADS, KINDS, Inputs, inputs, small
from archer.errors import ArcherError
from archer.rules.graph import KnobSpec, RuleGraph

LONG = 4096


@dataclass(frozen=True)
class Finding:
    """What a probe says: passed or not, in plain words, and the line of the rule if known."""

    passed: bool
    message: str
    line: int | None = None


def lengths(rule: RuleGraph) -> list[int]:
    """One token, around one chunk, and several chunks with the last one not full."""
    C = rule.chunk_size
    return sorted({1, max(C - 1, 1), C, C + 1, 3 * C + 3})


def hooks_run(rule: RuleGraph) -> Finding:
    """The engine runs the rule at lengths around its chunk size and gets the right shapes."""
    rule = small(rule)
    for length in lengths(rule):
        try:
            output, state = inputs(rule, length).run(rule)
        except (RuntimeError, ArithmeticError, TypeError, ValueError, ArcherError) as error:
            reason = str(error).splitlines()[0]
            return Finding(False, f"length {length}: {type(error).__name__}: {reason}")
        shapes = tuple(output.shape), tuple(state.shape)
        if shapes != ((2, length, HEADS, D_V), (2, HEADS, D_K, D_V)):
            return Finding(False, f"length {length}: output and state have shapes {shapes}")
    listed = ", ".join(map(str, lengths(rule)))
    return Finding(True, f"gate, local and write run at lengths {listed}")


def independent(rule: RuleGraph) -> Finding:
    """Other batch entries and heads do not change a sequence's output."""
    rule = small(rule)
    length = rule.chunk_size + 3
    data, other = inputs(rule, length), inputs(rule, length, seed=1)
    wanted = data.run(rule)
    for axis, what in ((0, "batch entry"), (2, "head")):

        def keep_first(name: str, tensor: Tensor, axis: int = axis) -> Tensor:
            kept = tensor.narrow(axis, 0, 1), other.tensors[name].narrow(axis, 1, 1)
            return torch.cat(kept, axis)

        output, state = data.map(keep_first).run(rule)
        pairs = ((output, wanted[0], axis), (state, wanted[1], axis // 2))
        for found, expected, place in pairs:
            a, b = found.narrow(place, 0, 1), expected.narrow(place, 0, 1)
            if not torch.equal(a.nan_to_num(nan=0.0), b.nan_to_num(nan=0.0)):
                return Finding(False, f"a {what} changes with the numbers of another {what}")
    return Finding(True, "a sequence does not see other batch entries or heads")


def finite(rule: RuleGraph) -> Finding:
    """Outputs and memory are finite in fp32 on every kind of input, also after 4096 tokens."""
    short = small(rule)
    for kind, words in KINDS.items():
        for length in lengths(short):
            data = inputs(short, length, kind, dtype=torch.float32)
            output, state = data.run(short)
            if not output.isfinite().all():
                bad = (~output.isfinite()).any(-1).any(-1).any(0)
                first = int(bad.nonzero()[0]) + 1
                return _not_finite(short, f"the output from token {first}", output, words, data)
            if not state.isfinite().all():
                return _not_finite(short, "the memory", state, words, data)
    found = _long(rule)
    said = f"finite on {', '.join(KINDS)} inputs, also where a chunk is not full"
    return found or Finding(True, f"{said}, and for {LONG} tokens")


def _long(rule: RuleGraph) -> Finding | None:
    """What is not finite in a long sequence of any kind, in the rule's own chunks."""
    kinds = [inputs(rule, LONG, kind, batch=1, dtype=torch.float32) for kind in KINDS]
    together = kinds[0].map(lambda name, _: torch.cat([kind.tensors[name] for kind in kinds]))
    with torch.no_grad():
        output, state = together.run(rule)
    for values, what in ((output, "the output"), (state, "the memory")):
        for data, words, x in zip(kinds, KINDS.values(), values, strict=True):
            if not x.isfinite().all():
                line, where = _where(blame.of_values(rule, data))
                reason = f"{what} is not finite on {words}, {LONG} tokens{where}"
                return Finding(False, reason, line)
    return None


def _not_finite(rule: RuleGraph, what: str, values: Tensor, words: str, data: Inputs) -> Finding:
    number = "NaN" if values.isnan().any() else "infinite"
    line, where = _where(blame.of_values(rule, data))
    return Finding(
        False,
        f"{what} is {number} on {words}, {_length(rule, data.length)}{where}; keep divisors and "
        "what stands under a root above zero, and exponents bounded",
        line,
    )


def _where(found: blame.Blame | None) -> tuple[int | None, str]:
    """The line at fault, and the words for it."""
    return (found.line, f"; it begins with {found.operation}") if found else (None, "")


def _length(rule: RuleGraph, length: int) -> str:
    filled = ", whose last chunk is filled up with zeros" if length % rule.chunk_size else ""
    return f"length {length}{filled}"


def gradients(rule: RuleGraph) -> Finding:
    """Every knob and input gets a finite gradient on every kind of input, and one that acts."""
    rule = small(rule)
    defaults = {knob.name: knob.default for knob in rule.knobs}
    for kind, words in KINDS.items():
        for length in lengths(rule):
            data = inputs(rule, length, kind, dtype=torch.float32)
            found = _gradients(rule, data, defaults)
            bad = [name for name, gradient in found.items() if not gradient.isfinite().all()]
            if bad:
                line, where = _where(blame.of_gradients(rule, data, defaults))
                return Finding(
                    False,
                    f"the gradient of {', '.join(bad)} is not finite on {words}, "
                    f"{_length(rule, length)}{where}; keep divisors and what stands under a root "
                    "above zero, as in sqrt(x + 1e-6)",
                    line,
                )
    dead = _without_gradient(rule, defaults)
    dead &= _without_gradient(rule, {knob.name: _inside(knob) for knob in rule.knobs})
    if dead:
        names = ", ".join(sorted(dead))
        line = _first_line(rule, dead)
        return Finding(False, f"no gradient reaches {names}, so it has no effect", line)
    return Finding(True, "finite for every knob and input, and zero for none")


def _gradients(rule: RuleGraph, data: Inputs, knobs: dict[str, float]) -> dict[str, Tensor]:
    """Of the output's squares, by every input that has an effect at this length and every knob."""
    leaves = data.map(lambda _, x: x.clone().requires_grad_())
    dtype = leaves.tensors["q"].dtype
    values = {name: torch.tensor(x, dtype=dtype).requires_grad_() for name, x in knobs.items()}
    output, _ = leaves.run(rule, values)
    targets = leaves.tensors | values
    loss = (output * output).sum() + output.sum()
    found = torch.autograd.grad(loss, list(targets.values()), materialize_grads=True)
    return dict(zip(targets, found, strict=True))


def _without_gradient(rule: RuleGraph, knobs: dict[str, float]) -> set[str]:
    data = inputs(rule, 3 * rule.chunk_size + 3)
    return {name for name, x in _gradients(rule, data, knobs).items() if not x.any()}


def _inside(knob: KnobSpec) -> float:
    """A value well inside the bounds: at a default of 0 another knob may rightly have no say."""
    if knob.log:
        return math.sqrt(knob.low * knob.high)
    return (knob.low + knob.high) / 2


def _first_line(rule: RuleGraph, names: Iterable[str]) -> int | None:
    """The first line of a hook that uses one of these knobs or signals."""
    wanted = {f"{kind}.{name}" for name in names for kind in ("knob", "signal")}
    for graph in (rule.gate, rule.local, rule.write):
        inputs_read = {i for i, node in enumerate(graph.nodes) if node.attr in wanted}
        for node in graph.nodes:
            if node.line and inputs_read & set(node.args):
                return node.line
    return None
