"""Canonical hash of a rule graph: equal for the same mathematics under other names.

Blind to: names of variables, knobs, signals and slots, order of commutative arguments, grouping of
sums and products, x - y against x + (-y), repeated subexpressions, knob values and bounds.
Not blind to: constants, chunk size (unless the rule is plain delta, which no chunk size changes).
"""

import hashlib
import itertools
from collections import Counter

from archer.rules import ops
from archer.rules.graph import HOOKS, Graph, RuleGraph

MAX_RENAMINGS = 5040


def rule_hash(rule: RuleGraph) -> str:
    """SHA-256 as hex: the smallest over all renamings of knobs, signals and slots."""
    return min(_hash_renamed(rule, renaming) for renaming in _renamings(rule))


def _renamings(rule: RuleGraph) -> list[dict[str, str]]:
    groups = [
        [f"knob.{knob.name}" for knob in rule.knobs],
        [f"signal.{signal.name}" for signal in rule.signals],
        [f"slots.{slot}" for slot in rule.slots],
    ]
    orders = [list(itertools.islice(itertools.permutations(g), MAX_RENAMINGS)) for g in groups]
    return [
        {name: f"{name.split('.')[0]}.{i}" for group in choice for i, name in enumerate(group)}
        for choice in itertools.islice(itertools.product(*orders), MAX_RENAMINGS)
    ]


def _hash_renamed(rule: RuleGraph, renaming: dict[str, str]) -> str:
    activations = sorted((renaming[f"signal.{s.name}"], s.activation) for s in rule.signals)
    is_delta = all(rule.is_default(hook) for hook in HOOKS)
    parts = [f"chunk={'any' if is_delta else rule.chunk_size}", repr(activations)]
    for hook in HOOKS:
        hashes = _node_hashes(rule.hook(hook), renaming)
        outputs = sorted((renaming.get(n, n), hashes[i]) for n, i in rule.hook(hook).outputs)
        parts.append(hook + repr(outputs))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _node_hashes(graph: Graph, renaming: dict[str, str]) -> list[str]:
    uses = Counter(arg for node in graph.nodes for arg in node.args)
    uses.update(index for _, index in graph.outputs)
    terms: list[list[str]] = []  # per node: the operands of its flattened sum or product
    hashes: list[str] = []
    for node in graph.nodes:
        op, operands = node.op, [hashes[arg] for arg in node.args]
        if op == "sub":
            op, operands = "add", [operands[0], _digest("neg", "None", [operands[1]])]
        if op in ("add", "mul"):
            operands = [
                term
                for arg, digest in zip(node.args, operands, strict=True)
                for term in (
                    terms[arg]
                    if _kind(graph, arg) == op and uses[arg] == 1 and digest == hashes[arg]
                    else [digest]
                )
            ]
        if op in ops.COMMUTATIVE:
            operands = sorted(operands)
        attr = renaming.get(str(node.attr), repr(node.attr))
        terms.append(operands)
        hashes.append(_digest(op, attr, operands))
    return hashes


def _kind(graph: Graph, index: int) -> str:
    op = graph.nodes[index].op
    return "add" if op == "sub" else op


def _digest(op: str, attr: str, operands: list[str]) -> str:
    return hashlib.sha256(f"{op}({attr};{','.join(operands)})".encode()).hexdigest()[:32]
