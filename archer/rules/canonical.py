"""Canonical hash of a rule graph: equal for the same mathematics under other names.

Blind to: names of variables, knobs, signals and slots, order and grouping of sums and products,
x - y against x + (-y), repeated subexpressions, knob values and bounds.
Not blind to: constants, also where they cancel (0.5 * x * 2 is not x), and chunk size (unless the
hooks are delta's own, which no chunk size changes).
"""

import hashlib
import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from archer.rules.ops import COMMUTATIVE, HOOKS
from archer.rules.parameters import alike_parameters, parameter_names, shared_parameters

if TYPE_CHECKING:
    from archer.rules.graph import Graph, Node, RuleGraph

MAX_RENAMINGS = 5040


def rule_hash(
    rule: "RuleGraph", knobs: Mapping[str, str] | None = None, learned: Sequence[str] = ()
) -> str:
    """SHA-256 as hex: the smallest over all renamings of knobs, signals and slots.

    knobs: what to write in each knob's place, such as its value; then knobs are told apart by
    that and not renamed. learned: those of them that are parameters of their own, so that two are
    two also where the same is written for both.
    """
    fixed = {f"knob.{name}": f"knob={text}" for name, text in (knobs or {}).items()}
    groups = [
        [] if knobs else [f"knob.{knob.name}" for knob in rule.knobs],
        [f"signal.{signal.name}" for signal in rule.signals],
        [f"slots.{slot}" for slot in rule.slots],
    ]
    named = len(groups)
    groups += alike_parameters({name: fixed[name] for name in (f"knob.{k}" for k in learned)})
    return min(
        _hash_renamed(rule, fixed | _numbered(order[:named]), order[named:])
        for order in _orders(rule, groups, fixed)
    )


def _orders(
    rule: "RuleGraph", groups: list[list[str]], fixed: dict[str, str]
) -> "itertools.islice[tuple[list[str], ...]]":
    """Every group in an order of its own; only names that play the same part are permuted."""
    alike = {name: name.split(".")[0] + ".other" for group in groups for name in group}
    orders = []
    for group in groups:
        parts: dict[str, list[str]] = {}
        for name in group if len(group) > 1 else []:
            part = _hash_renamed(rule, alike | fixed | {name: "this"})
            parts.setdefault(part, []).append(name)
        ties = [parts[part] for part in sorted(parts)] or [group]
        choices = itertools.product(*map(_permutations, ties))
        orders.append([list(itertools.chain(*c)) for c in itertools.islice(choices, MAX_RENAMINGS)])
    return itertools.islice(itertools.product(*orders), MAX_RENAMINGS)


def _numbered(groups: Sequence[list[str]]) -> dict[str, str]:
    return {n: f"{n.split('.')[0]}.{i}" for group in groups for i, n in enumerate(group)}


def _permutations(names: list[str]) -> "itertools.islice[tuple[str, ...]]":
    return itertools.islice(itertools.permutations(names), MAX_RENAMINGS)


def _hash_renamed(
    rule: "RuleGraph", renaming: dict[str, str], learned: Sequence[list[str]] = ()
) -> str:
    activations = sorted((renaming[f"signal.{s.name}"], s.activation) for s in rule.signals)
    is_delta = all(rule.is_default(hook) for hook in HOOKS)
    parts = [f"chunk={'any' if is_delta else rule.chunk_size}", repr(activations)]
    own = parameter_names(rule, renaming, learned)
    for hook in HOOKS:
        names = renaming | own[hook]
        graph = _Hashes(rule.hook(hook), names)
        outputs = sorted((names.get(n, n), graph.digest(i)) for n, i in rule.hook(hook).outputs)
        parts.append(hook + repr(outputs))
    parts += shared_parameters(own, learned)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def hook_digest(graph: "Graph") -> str:
    """Digest of one hook under its own names."""
    hashes = _Hashes(graph, {})
    return repr(sorted((name, hashes.digest(index)) for name, index in graph.outputs))


class _Hashes:
    """Digests of the nodes of one graph.

    A sum is a count of its terms and a product a count of its factors, so neither order nor
    grouping shows: a - (b - a) is {a: 2, b: -1}.
    """

    def __init__(self, graph: "Graph", renaming: dict[str, str]) -> None:
        self.nodes, self.renaming = graph.nodes, renaming
        self.digests: dict[int, str] = {}
        self.sums: dict[int, Counter[str]] = {}
        self.products: dict[int, Counter[str]] = {}
        for index, node in enumerate(self.nodes):  # in order, so that nothing recurses deeply
            self._add(index, node)

    def _add(self, index: int, node: "Node") -> None:
        if node.op in ("add", "sub"):
            a, b = map(self._terms, node.args)
            self.sums[index] = _joined(a, b, 1 if node.op == "add" else -1)
        elif node.op == "neg":
            self.sums[index] = _joined(Counter(), self._terms(node.args[0]), -1)
        elif node.op == "mul":
            a, b = map(self._factors, node.args)
            self.products[index] = _joined(a, b, 1)
        elif node.op == "const" and float(node.attr or 0.0) < 0:
            positive = _digest("const", repr(-float(node.attr or 0.0)), [])
            self.sums[index] = Counter({positive: -1})
        else:
            operands = [self.digest(arg) for arg in node.args]
            operands = sorted(operands) if node.op in COMMUTATIVE else operands
            attr = self.renaming.get(str(node.attr), repr(node.attr or None))
            self.digests[index] = _digest(node.op, attr, operands)

    def _terms(self, index: int) -> Counter[str]:
        return self.sums[index] if index in self.sums else Counter([self.digest(index)])

    def _factors(self, index: int) -> Counter[str]:
        return self.products[index] if index in self.products else Counter([self.digest(index)])

    def digest(self, index: int) -> str:
        if index not in self.digests:
            op, parts = ("add", self.sums) if index in self.sums else ("mul", self.products)
            counted = [f"{count}*{part}" for part, count in sorted(parts[index].items())]
            self.digests[index] = _digest(op, "None", counted)
        return self.digests[index]


def _joined(a: Counter[str], b: Counter[str], sign: int) -> Counter[str]:
    total = Counter(a)
    for part, count in b.items():
        total[part] += sign * count
    return total


def _digest(op: str, attr: str, operands: list[str]) -> str:
    return hashlib.sha256(f"{op}({attr};{','.join(operands)})".encode()).hexdigest()[:32]
