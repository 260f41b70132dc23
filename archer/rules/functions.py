"""The torch functions and methods a hook may call, each written in operations of the graph."""

from collections.abc import Callable
from typing import Any

from archer.rules.elementwise import ELEMENTWISE, where
from archer.rules.reductions import REDUCTIONS
from archer.rules.symbol import Symbol, first_symbol
from archer.rules.tracer import Tracer


def _operator(name: str) -> Callable[..., Symbol]:
    def apply(x: Any, other: Any) -> Symbol:
        result: Symbol = getattr(first_symbol((x, other)).lift(x), name)(other)
        return result

    return apply


def _logical(name: str) -> Callable[..., Symbol]:
    def apply(x: Any, other: Any) -> Symbol:
        symbol = first_symbol((x, other))
        result: Symbol = getattr(_truth(symbol.lift(x)), name)(_truth(symbol.lift(other)))
        return result

    return apply


def _truth(x: Symbol) -> Symbol:
    return x if x.is_mask else x != 0.0


def _tril(x: Symbol, diagonal: int = 0) -> Symbol:
    if diagonal != 0:
        x.tracer.refuse("tril with a diagonal other than 0", "operations")
    return where(causal_mask_of(x), x, 0.0)


def causal_mask_of(x: Symbol) -> Symbol:
    """True where the key is not later than the query, for a [C, C] tensor."""
    if x.dims != ("query", "key"):
        x.tracer.refuse("a causal mask needs the shape of `scores`, [C, C]", "shapes")
    return x.make("causal_mask", rank=2)


def _transpose(x: Symbol, dim0: int, dim1: int) -> Symbol:
    return x if dim0 % 2 == dim1 % 2 else x.t()


def _same(x: Symbol) -> Symbol:
    return x


def _t(x: Symbol) -> Symbol:
    return x.t()


def _unsqueeze(x: Symbol, dim: int) -> Symbol:
    return x.unsqueeze(dim)


ALLOWED: dict[str, Callable[..., Symbol]] = {
    **{name: _operator(f"__{name}__") for name in ("add", "sub", "mul", "pow", "matmul")},
    **{name: _operator(f"__{name}__") for name in ("lt", "le", "gt", "ge", "eq", "ne")},
    "neg": lambda x: -x,
    "abs": lambda x: abs(x),
    "absolute": lambda x: abs(x),
    "div": _operator("__truediv__"),
    "true_divide": _operator("__truediv__"),
    "mm": _operator("__matmul__"),
    "logical_and": _logical("__and__"),
    "logical_or": _logical("__or__"),
    "logical_not": lambda x: ~_truth(x),
    **ELEMENTWISE,
    **REDUCTIONS,
    "tril": _tril,
    "transpose": _transpose,
    "swapaxes": _transpose,
    "t": _t,
    "unsqueeze": _unsqueeze,
    "clone": _same,
    "contiguous": _same,
}


def call(symbol: Symbol, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Apply the allowed function of that name; `symbol` is one of its arguments.

    Raises RuleError naming what is allowed.
    """
    bare = name.removeprefix("linalg_") if name not in ALLOWED else name
    if name.startswith("__") and name.endswith("__"):  # an operator on a real tensor and a Symbol
        return getattr(symbol.lift(args[0]), name)(*args[1:])
    if bare not in ALLOWED:
        refuse(symbol.tracer, bare)
    renamed = {"input": "x"}
    arguments = {renamed.get(key, key): value for key, value in kwargs.items() if key != "out"}
    try:
        return ALLOWED[bare](*args, **arguments)
    except TypeError as error:
        if "argument" not in str(error):
            raise
        symbol.tracer.refuse(f"torch.{bare}: {error}", "operations")


def method(symbol: Symbol, name: str) -> Callable[..., Any]:
    """The bound method of that name, if it is allowed."""
    if name not in ALLOWED:
        refuse(symbol.tracer, name)
    if name == "where":  # x.where(condition, y) begins with x, torch.where with the condition
        return lambda condition, other: call(symbol, name, (condition, symbol, other), {})
    return lambda *args, **kwargs: call(symbol, name, (symbol, *args), kwargs)


def refuse(tracer: Tracer, name: str) -> None:
    """Refuse an operation by name, with the list of what is allowed."""
    allowed = ", ".join(sorted(ALLOWED))
    tracer.refuse(
        f"{name!r} is not an allowed operation; allowed are + - * / ** @, comparisons and "
        f"{allowed}, causal_mask, causal_softmax",
        "operations",
    )
