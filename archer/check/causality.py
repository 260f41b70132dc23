"""Does a rule look ahead? Its graph is asked, then every token is replaced in turn.

The graph tells for all inputs (`archer.rules.ahead`). Replacing tokens and comparing all earlier
outputs tells also what the engine does; the numbers put in are of usual size and far beyond, since
a rule may look ahead only past a threshold.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from archer.check.inputs import Inputs, extreme, inputs, small
from archer.check.probes import Finding, lengths
from archer.rules.ahead import look_ahead
from archer.rules.graph import RuleGraph

RAW = (1e2, -1e2, 1e4, -1e4)


def causal(rule: RuleGraph) -> Finding:
    """No entry of a later token is gathered, and replacing a token changes no output before it."""
    found = look_ahead(rule)
    return Finding(False, found.message, found.line) if found else replaced(rule)


def replaced(rule: RuleGraph) -> Finding:
    """Replacing a token changes no output before it, not by a single bit."""
    rule = small(rule)
    for length in lengths(rule):
        repeated = _repeated(rule, length)
        before = repeated.run(rule)[0]
        for other, size in _others(rule, length):
            leaks = _leaks(rule, repeated, before, other)
            if leaks.any():
                return _leak_found(rule, other, leaks, size)
    return Finding(True, "replacing any token leaves every earlier output the same to the bit")


def _repeated(rule: RuleGraph, length: int) -> Inputs:
    """One batch entry per token to be replaced.

    Both runs are of that batch, so that equal numbers take the same path.
    """
    one = inputs(rule, length, batch=1)
    return one.map(lambda _, x: x.repeat(length, *(1,) * (x.ndim - 1)))


def _others(rule: RuleGraph, length: int) -> Iterator[tuple[Inputs, str]]:
    """What tokens are replaced by, and words for its size."""
    yield inputs(rule, length, batch=1, seed=1), ""
    if length <= rule.chunk_size + 1:  # a longer sequence repeats what two chunks do
        for raw in RAW:
            yield extreme(rule, length, raw), f" by one of {raw:g}"


def _leaks(
    rule: RuleGraph, repeated: Inputs, before: Tensor, other: Inputs, only: str | None = None
) -> Tensor:
    """[t, s]: how much the output at s < t changes when token t is replaced, in one input or all.

    What becomes NaN, or no longer is, has changed.
    """
    at = torch.arange(other.length)

    def replace(name: str, tensor: Tensor) -> Tensor:
        if only not in (None, name):
            return tensor
        changed = tensor.clone()
        changed[at, at] = other.tensors[name][0]
        return changed

    after = repeated.map(replace).run(rule)[0]
    change = (after - before).abs().nan_to_num(nan=math.inf, posinf=math.inf)
    alike = (after == before) | (after.isnan() & before.isnan())
    return change.masked_fill(alike, 0.0).amax((-2, -1)).tril(-1)


def _leak_found(rule: RuleGraph, other: Inputs, leaks: Tensor, size: str) -> Finding:
    repeated = _repeated(rule, other.length)
    before = repeated.run(rule)[0]
    names = (n for n in other.tensors if _leaks(rule, repeated, before, other, n).any())
    through = ", ".join(names) or "several inputs together"
    token, earlier = divmod(int(leaks.argmax()), other.length)
    reductions = (n for n in rule.local.nodes if n.op in ("sum", "softmax", "amax", "amin"))
    line = next((node.line for node in reductions if node.line), None)
    return Finding(
        False,
        f"local: looks ahead: of {other.length} tokens, replacing token {token + 1}{size} changes "
        f"the output at token {earlier + 1} by {leaks.max():.2g} ({int((leaks > 0).sum())} such "
        f"pairs, through {through}); mask before reducing, "
        "as in torch.where(causal_mask(scores), x, 0)",
        line,
    )
