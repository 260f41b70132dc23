"""Does `local` look ahead? Decided from its graph, for every input and every value of a knob.

Entry [t, j] of a value over queries and keys is of a later token where j > t: above the diagonal,
and below it once transposed. The engine masks what `local` returns, so only what gathers entries
carries anything from there to token t: a reduction, softmax or product over keys. For every
operation it is worked out what the entries of later tokens hold (`archer.rules.later`), and
gathering what a later token may change is a look ahead.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archer.rules import ops
from archer.rules.later import LATE, PAST, TRUE, ZERO, Held, divides, divisor, keeps_sign, pointwise
from archer.rules.ranges import Range, is_bounded, is_not_zero, ranges

if TYPE_CHECKING:
    from archer.rules.graph import Node, RuleGraph

ABOVE, BELOW = 0, 1  # the diagonal: columns later than the row, rows later than the column
MASKED = -1e30  # so far below every score that its softmax is zero


@dataclass(frozen=True)
class LookAhead:
    """The operation that looks ahead: in plain words, and its line if known."""

    message: str
    line: int | None


@dataclass(frozen=True)
class _Value:
    """sides: the entries above the diagonal, as the row's token may see them, and those below, as
    the column's may. signed: whether, after a reduction, a zero may have a later token's sign.
    """

    sides: tuple[Held, Held]
    signed: bool = False


class _Ahead(Exception):  # noqa: N818  what is looked for, and no error
    """Raised by the operation that looks ahead, with how it does."""


def look_ahead(rule: "RuleGraph") -> LookAhead | None:
    """The first operation of `local` that looks ahead, if there is one."""
    reading = _Reading(rule)
    for node in rule.local.nodes:
        try:
            reading.read(node)
        except _Ahead as how:
            advice = "mask first, as in torch.where(causal_mask(scores), x, 0)"
            return LookAhead(f"local: looks ahead: {how}; {advice}", node.line)
    return None


class _Reading:
    """The operations of `local` in their order, each with what it holds of later tokens."""

    def __init__(self, rule: "RuleGraph") -> None:
        self.nodes, self.ranges = rule.local.nodes, ranges(rule, "local")
        self.values: list[_Value] = []

    def read(self, node: "Node") -> None:
        """Take in the next operation. Raises _Ahead if it looks ahead."""
        value = self._value(node, [self.values[arg] for arg in node.args])
        squared = node.op == "mul" and node.args[0] == node.args[1]
        if squared or is_not_zero(self.ranges[len(self.values)]):
            above, below = value.sides
            value = _Value((Held(above.later), Held(below.later)))
        self.values.append(value)

    def _value(self, node: "Node", args: list[_Value]) -> _Value:
        given = [self.ranges[arg] for arg in node.args]
        if divides(node.op, given) and args[divisor(node.op)].signed:
            raise _Ahead("divides by what may be a zero with the sign of a later token's signal")
        if node.op in ops.NULLARY:
            return _Value(_nullary(node))
        if node.op == "transpose":
            return _Value((args[0].sides[BELOW], args[0].sides[ABOVE]), args[0].signed)
        if node.op in ops.REDUCE or node.op == "softmax":
            return self._reduced(node, args[0])
        if node.op == "matmul" and self.nodes[node.args[0]].shape[1] != "1":
            return self._contracted(node, args, given)
        above, below = (
            pointwise(node.op, [arg.sides[side] for arg in args], given) for side in (ABOVE, BELOW)
        )
        signed = keeps_sign(node.op) and any(arg.signed for arg in args)
        return _Value((above, below), signed)

    def _reduced(self, node: "Node", arg: _Value) -> _Value:
        axis = int(node.attr or 0)
        if self.nodes[node.args[0]].shape[axis] == "1":
            return arg if node.op in ops.REDUCE else _Value((Held(LATE), Held(LATE)))
        side = ABOVE if axis == -1 else BELOW
        held = arg.sides[side]
        if held.later == LATE:
            raise _Ahead("reduces over keys" + self._where([(node.args[0], side)]))
        signed = keeps_sign(node.op) and (held.signed or arg.signed)
        masked = node.op == "softmax" and self._is_masked(node.args[0], side)
        sides = Held(ZERO if masked else PAST, signed), Held(LATE)
        return _Value(sides if side == ABOVE else sides[::-1], signed)

    def _where(self, places: list[tuple[int, int]]) -> str:
        """Which signals operations are LATE by, each on the side that counts."""
        late = list(self._late(places))
        names = {str(self.nodes[index].attr).partition(".")[2] for index, _ in late}
        listed = " and ".join(f"`{name}`" for name in sorted(names - {""}))
        overflow = " in what may overflow, and 0 * inf is NaN" if self._overflows(late) else ""
        return f" where later tokens have their {listed or 'numbers'}{overflow}"

    def _late(self, places: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
        stack, seen = list(places), set[tuple[int, int]]()
        while stack:
            at = stack.pop()
            held = self.values[at[0]].sides[at[1]]
            if at not in seen and (held.later == LATE or held.signed):
                seen.add(at)
                node = self.nodes[at[0]]
                turned = 1 - at[1] if node.op == "transpose" else at[1]
                stack += [(arg, turned) for arg in node.args]
                yield at

    def _overflows(self, late: list[tuple[int, int]]) -> bool:
        """Whether a product of zero would be zero, were its other factor finite for certain."""
        for index, side in late:
            node, held = self.nodes[index], self.values[index].sides[side]
            factors = {self.values[arg].sides[side].later for arg in node.args}
            if node.op == "mul" and held.later == LATE and factors == {ZERO, LATE}:
                return True
        return False

    def _contracted(self, node: "Node", args: list[_Value], given: list[Range]) -> _Value:
        """A product over keys: of every later token, a row's entry times a column's."""
        held = pointwise("mul", [args[0].sides[ABOVE], args[1].sides[BELOW]], given)
        if held.later == LATE:
            places = list(zip(node.args, (ABOVE, BELOW), strict=True))
            raise _Ahead("sums a product over keys" + self._where(places))
        signed = held.signed or args[0].signed or args[1].signed
        return _Value((Held(LATE), Held(LATE)), signed)

    def _is_masked(self, index: int, side: int) -> bool:
        """Whether entries of later tokens are so far below the others that softmax gives zero."""
        node = self.nodes[index]
        if node.op != "where":
            return False
        mask, yes, no = node.args
        known = self.values[mask].sides[side].later
        if known not in (ZERO, TRUE):
            return False
        filled, others = (yes, no) if known == TRUE else (no, yes)
        seen = self.ranges[others]
        return self.ranges[filled][1] <= MASKED and is_bounded(seen) and seen[0] > MASKED / 100


def _nullary(node: "Node") -> tuple[Held, Held]:
    if node.op == "causal_mask":
        return Held(ZERO), Held(TRUE)
    if node.op == "const" and not node.attr:
        return Held(ZERO), Held(ZERO)
    if node.attr == "scores":
        return Held(ZERO), Held(LATE)
    # a signal lies along the columns, one row for all
    is_signal = str(node.attr).startswith("signal.")
    return Held(LATE if is_signal else PAST), Held(PAST)
