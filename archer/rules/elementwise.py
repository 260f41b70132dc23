"""Torch functions that work element by element, written in operations of the graph."""

from collections.abc import Callable
from typing import Any

from archer.rules import ops
from archer.rules.symbol import Symbol, first_symbol


def _pointwise(op: str) -> Callable[..., Symbol]:
    def apply(x: Symbol) -> Symbol:
        return x.make(op, x.as_float())

    return apply


def _pair(op: str) -> Callable[..., Symbol]:
    def apply(x: Any, other: Any) -> Symbol:
        symbol = first_symbol((x, other))
        return symbol.make(op, symbol.lift(x).as_float(), symbol.lift(other).as_float())

    return apply


maximum, minimum = _pair("maximum"), _pair("minimum")
_exp, _log, _sigmoid = _pointwise("exp"), _pointwise("log"), _pointwise("sigmoid")


def _clamp(x: Symbol, min: Any = None, max: Any = None) -> Symbol:
    result = x if min is None else maximum(x, min)
    return result if max is None else minimum(result, max)


def where(condition: Any, input: Any, other: Any) -> Symbol:
    """As torch.where; one of the three is a Symbol, the condition a mask."""
    symbol = first_symbol((condition, input, other))
    mask = symbol.lift(condition).as_mask()
    return symbol.make("where", mask, *(symbol.lift(x).as_float() for x in (input, other)))


def _masked_fill(x: Symbol, mask: Symbol, value: Any) -> Symbol:
    return where(mask, value, x)


def _square(x: Symbol) -> Symbol:
    return x * x


def _reciprocal(x: Symbol) -> Symbol:
    return 1.0 / x


def _relu(x: Symbol, inplace: bool = False) -> Symbol:
    return maximum(x, 0.0)


def _silu(x: Symbol, inplace: bool = False) -> Symbol:
    return x * _sigmoid(x)


def _softplus(x: Symbol, beta: float = 1.0, threshold: float = 20.0) -> Symbol:
    if beta != 1.0:
        x.tracer.refuse("softplus with a beta other than 1", "operations")
    # log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)): never overflows
    return maximum(x, 0.0) + _log(1.0 + _exp(-abs(x)))


def _lerp(x: Symbol, end: Any, weight: Any) -> Symbol:
    result: Symbol = x + weight * (end - x)
    return result


def _zeros_like(x: Symbol) -> Symbol:
    return x * 0.0


def _ones_like(x: Symbol) -> Symbol:
    return x * 0.0 + 1.0


ELEMENTWISE: dict[str, Callable[..., Symbol]] = {
    **{op: _pointwise(op) for op in ops.UNARY if op not in ("neg", "abs")},
    "maximum": maximum,
    "minimum": minimum,
    "clamp": _clamp,
    "clip": _clamp,
    "where": where,
    "masked_fill": _masked_fill,
    "square": _square,
    "reciprocal": _reciprocal,
    "relu": _relu,
    "silu": _silu,
    "softplus": _softplus,
    "lerp": _lerp,
    "zeros_like": _zeros_like,
    "ones_like": _ones_like,
}
