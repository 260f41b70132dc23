"""What a rule computes, as numbers: its outputs on inputs that are the same for every rule."""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from archer.check.inputs import Inputs, inputs
from archer.rules.graph import KnobSpec, RuleGraph, SignalSpec
from archer.rules.load import builtin_graph

# Tokens whose output is looked at: around the ends of chunks of all sizes, and far in the second
# chunk of the largest.
TOKENS = (
    *(0, 1, 2, 3, 4, 6, 8, 12, 16, 17, 31, 32, 33, 40, 63, 64, 65, 100, 128, 129, 200, 256, 257),
    *(300, 512, 513, 700, 1024, 1025, 1100),
)
ALIKE = 1e-9


def behaviour(rule: RuleGraph) -> str:
    """The rule's outputs as text, to be compared by `alike`; two sets, divided by a bar.

    In the first all knobs are at their defaults, in the second those that are learned lie inside
    their bounds, since a learned mix may begin as an old rule; each at a place of its own, since
    two that begin alike are not one.
    """
    drawn = _drawn(rule)
    first = _outputs(rule, {}, drawn)
    learned = _moved(rule, drawn)
    second = _outputs(rule, learned, drawn) if learned else first
    return "|".join(" ".join(f"{x:.12g}" for x in numbers) for numbers in (first, second))


def alike(a: str, b: str) -> bool:
    """Whether two behaviours are equal to 1e-9, so that rounding does not make a rule new."""
    try:
        pairs = list(zip(_numbers(a), _numbers(b), strict=True))
    except ValueError:
        return False
    return all(math.isclose(x, y, rel_tol=ALIKE, abs_tol=ALIKE) for x, y in pairs)


def _numbers(text: str) -> list[float]:
    return [float(number) for part in text.split("|") for number in part.split()]


def _drawn(rule: RuleGraph) -> dict[str, int]:
    """Which drawing each signal is given: no two of one activation the same."""
    alike: dict[str, list[str]] = {}
    for signal in rule.signals:
        alike.setdefault(signal.activation, []).append(signal.name)
    first = {signal.name: 1 for signal in rule.signals}

    def effect(name: str) -> float:
        """One number for what the rule computes where this signal alone is another."""
        return sum(_outputs(rule, {}, first | {name: 2}))

    drawn: dict[str, int] = {}
    for names in alike.values():
        # as with knobs: neither names nor the order of declaration show
        ordered = sorted(names, key=effect) if len(names) > 1 else names
        drawn |= {name: n for n, name in enumerate(ordered, 1)}
    return drawn


def _moved(rule: RuleGraph, drawn: Mapping[str, int]) -> dict[str, float]:
    """Learned knobs inside their bounds, no two with equal bounds at the same place."""
    alike: dict[tuple[float, float, bool], list[KnobSpec]] = {}
    for knob in rule.knobs:
        if knob.learn:
            alike.setdefault((knob.low, knob.high, knob.log), []).append(knob)
    values: dict[str, float] = {}
    for knobs in alike.values():
        # by what they do, so that neither names nor the order of declaration show
        ordered = sorted(knobs, key=partial(_effect, rule, drawn)) if len(knobs) > 1 else knobs
        values |= {knob.name: _inside(knob, 0.7 ** (n + 1)) for n, knob in enumerate(ordered)}
    return values


def _effect(rule: RuleGraph, drawn: Mapping[str, int], knob: KnobSpec) -> float:
    """One number for what the rule computes with this knob alone moved."""
    return sum(_outputs(rule, {knob.name: _inside(knob, 0.7)}, drawn))


def _inside(knob: KnobSpec, share: float) -> float:
    """The place with this share of the way left to the lower bound."""
    if knob.log:
        return math.exp(share * math.log(knob.low) + (1 - share) * math.log(knob.high))
    return share * knob.low + (1 - share) * knob.high


def _outputs(rule: RuleGraph, knobs: Mapping[str, float], drawn: Mapping[str, int]) -> list[float]:
    """One number per token of TOKENS: the sum of both heads' outputs."""
    length = max(TOKENS) + 1
    with torch.no_grad():
        output, _ = _inputs(rule, length, drawn).run(rule, knobs)
    chosen = output[0, list(TOKENS)].sum((-2, -1))
    numbers: list[float] = chosen.tolist()
    return numbers


def _inputs(rule: RuleGraph, length: int, drawn: Mapping[str, int]) -> Inputs:
    """q, k, v, beta are the same for every rule; so is the n-th drawing of each activation."""
    plain = inputs(builtin_graph("delta"), length, batch=1)
    tensors = dict(plain.tensors)
    for signal in rule.signals:
        tensors[signal.name] = _signal(signal, length, drawn[signal.name])
    return Inputs(tensors, rule.decay)


def _signal(signal: SignalSpec, length: int, seed: int) -> Tensor:
    alone = replace(builtin_graph("delta"), signals=(signal,))
    return inputs(alone, length, batch=1, seed=seed).tensors[signal.name]
