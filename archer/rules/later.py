"""What the entries of later tokens hold, operation by operation; `archer.rules.ahead` asks.

    ZERO   zero, as above the diagonal of `scores` (or NaN whatever later tokens are); false
    TRUE   true, in a mask
    PAST   what no later token changes
    LATE   what a later token may change

A product with ZERO is ZERO only where its other factor is finite for certain: 0 * inf is NaN, which
a comparison sees. And its zeros have the sign of that factor: harmless until one divides by them.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from archer.rules import ops
from archer.rules.ranges import Range, is_bounded, is_not_zero


class Later(IntEnum):
    """What entries hold; the larger, the more they may tell of later tokens."""

    ZERO, TRUE, PAST, LATE = range(4)


ZERO, TRUE, PAST, LATE = Later


class Held(NamedTuple):
    """What entries hold, and whether a zero among them may have the sign of a later token."""

    later: Later
    signed: bool = False


# What is the same for either zero.
_UNSIGNED = frozenset({"abs", "exp", "log", "sigmoid", "softmax"}) | ops.BOOLEAN
# Zero where their arguments are.
_KEEP_ZERO = ("neg", "sqrt", "tanh", "abs", "sign", "add", "sub", "maximum", "minimum")
_DIVISOR = {"div": 1, "rsqrt": 0, "pow": 0}


def pointwise(op: str, held: Sequence[Held], given: Sequence[Range]) -> Held:
    """What a pointwise operation makes of arguments that hold this and lie in these ranges."""
    if op == "where":
        return _chosen(*held)
    if op == "expand":
        return held[0]
    if divides(op, given) and held[_DIVISOR[op]].signed:
        return Held(LATE)
    later = [each.later for each in held]
    signed = keeps_sign(op) and any(each.signed for each in held)
    if op in ("mul", "matmul", "div", "pow") and _stays_zero(op, later, given):
        return Held(ZERO, signed or LATE in later)
    return Held(_of(op, later), signed)


def keeps_sign(op: str) -> bool:
    """Whether the two zeros may give results that differ in more than nothing."""
    return op not in _UNSIGNED


def divides(op: str, given: Sequence[Range]) -> bool:
    """Whether the operation may divide by zero, whose sign then shows."""
    if op == "pow" and is_bounded(given[1]) and given[1][0] > 0.0:
        return False
    return op in _DIVISOR and not is_not_zero(given[_DIVISOR[op]])


def divisor(op: str) -> int:
    """Which argument of such an operation it is."""
    return _DIVISOR[op]


def _stays_zero(op: str, later: list[Later], given: Sequence[Range]) -> bool:
    """Whether zero among the arguments makes the result zero, whatever later tokens are."""
    if op == "div":
        return later[0] == ZERO and (later[1] != LATE or is_not_zero(given[1]))
    if op == "pow":
        return later[0] == ZERO and is_bounded(given[1]) and given[1][0] > 0.0
    late = [x for x, each in zip(given, later, strict=True) if each == LATE]
    return ZERO in later and all(map(is_bounded, late))


def _chosen(mask: Held, yes: Held, no: Held) -> Held:
    """`where`: a mask that is known takes one of the two."""
    if mask.later in (ZERO, TRUE):
        return yes if mask.later == TRUE else no
    signed = yes.signed or no.signed
    if yes.later == no.later == ZERO:
        return Held(ZERO, signed or mask.later == LATE)
    return Held(max(PAST, mask.later, yes.later, no.later), signed)


def _of(op: str, later: list[Later]) -> Later:
    kinds = set(later)
    if op == "not":
        return {ZERO: TRUE, TRUE: ZERO}.get(later[0], later[0])
    if op in ("and", "or"):
        decides, other = (ZERO, TRUE) if op == "and" else (TRUE, ZERO)
        if decides in kinds or kinds == {other}:
            return decides if decides in kinds else other
    return ZERO if op in _KEEP_ZERO and kinds == {ZERO} else max(PAST, *later)
