"""Does a rule look ahead? Every token is replaced in turn, and earlier outputs are compared."""

import math

import torch
from torch import Tensor

from archer.check.inputs import inputs, small
from archer.check.probes import Finding, lengths
from archer.rules.graph import RuleGraph


def causal(rule: RuleGraph) -> Finding:
    """Replacing a token changes no output before it, not by a single bit."""
    rule = small(rule)
    for length in lengths(rule):
        leaks = _leaks(rule, length, None)
        if leaks.any():
            return _leak_found(rule, length, leaks)
    return Finding(True, "replacing any token leaves every earlier output the same to the bit")


def _leaks(rule: RuleGraph, length: int, only: str | None) -> Tensor:
    """[t, s]: how much the output at s < t changes when token t is replaced, in one input or all.

    Both runs have one batch entry per t, so that equal numbers take the same path.
    """
    same = inputs(rule, length, batch=1).map(lambda _, x: x.repeat(length, *(1,) * (x.ndim - 1)))
    other = inputs(rule, length, batch=1, seed=1)
    at = torch.arange(length)

    def replace(name: str, tensor: Tensor) -> Tensor:
        if only not in (None, name):
            return tensor
        changed = tensor.clone()
        changed[at, at] = other.tensors[name][0]
        return changed

    before, after = same.run(rule)[0], same.map(replace).run(rule)[0]
    change = (after - before).abs().nan_to_num(nan=0.0, posinf=math.inf).amax((-2, -1))
    return change.tril(-1)


def _leak_found(rule: RuleGraph, length: int, leaks: Tensor) -> Finding:
    names = inputs(rule, length).tensors
    through = [name for name in names if _leaks(rule, length, name).any()]
    token, earlier = divmod(int(leaks.argmax()), length)
    reductions = (n for n in rule.local.nodes if n.op in ("sum", "softmax", "amax", "amin"))
    line = next((node.line for node in reductions if node.line), None)
    return Finding(
        False,
        f"local: looks ahead: of {length} tokens, replacing token {token + 1} changes the output "
        f"at token {earlier + 1} by {leaks.max():.2g} ({int((leaks > 0).sum())} such pairs, "
        f"through {', '.join(through) or 'several inputs together'}); mask before reducing, as in "
        "torch.where(causal_mask(scores), x, 0)",
        line,
    )
