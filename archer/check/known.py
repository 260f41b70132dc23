"""Is this rule new? Its hash, and the built-in rule it equals, if any."""

import torch

from archer.check.inputs import inputs, small
from archer.rules.graph import RuleGraph
from archer.rules.load import BUILTIN, builtin_graph


def describe(rule: RuleGraph) -> str:
    """The rule's canonical hash and what it equals, by hash or else by behaviour."""
    start = f"hash {rule.rule_hash[:16]}: "
    for name in BUILTIN:
        known = builtin_graph(name)
        if known.rule_hash == rule.rule_hash:
            return f"{start}the same mathematics as the built-in rule {name}"
        if known.rule_hash == rule.with_chunk_size(known.chunk_size).rule_hash:
            return f"{start}the built-in rule {name} with a chunk size of {rule.chunk_size}"
    alike = [name for name in BUILTIN if _behaves_as(rule, builtin_graph(name))]
    if alike:
        return f"{start}with default knobs it behaves exactly as the built-in rule {alike[0]}"
    return f"{start}equal to no built-in rule"


def _behaves_as(rule: RuleGraph, known: RuleGraph) -> bool:
    """Whether both give the same output on random sequences of several chunks, to 1e-9."""
    if known.decay and not rule.decay:
        return False
    rule = small(rule)
    known = known.with_chunk_size(rule.chunk_size)
    data = inputs(rule, 3 * rule.chunk_size + 3)
    return torch.allclose(data.run(rule)[0], data.run(known)[0], rtol=0.0, atol=1e-9)
