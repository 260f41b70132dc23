"""The torch functions and methods a hook may call, each written in operations of the graph."""

from collections.abc import Callable
from typing import Any

from archer.rules import ops
from archer.rules.symbol import Axis, Symbol, Tracer, first_symbol


def _pointwise(op: str) -> Callable[..., Symbol]:
    def apply(x: Symbol) -> Symbol:
        return x.make(op, x.as_float())

    return apply


def _operator(name: str) -> Callable[..., Symbol]:
    def apply(x: Any, other: Any) -> Symbol:
        result: Symbol = getattr(first_symbol((x, other)).lift(x), name)(other)
        return result

    return apply


def _pair(op: str) -> Callable[..., Symbol]:
    def apply(x: Any, other: Any) -> Symbol:
        symbol = first_symbol((x, other))
        return symbol.make(op, symbol.lift(x).as_float(), symbol.lift(other).as_float())

    return apply


def _logical(name: str) -> Callable[..., Symbol]:
    def apply(x: Any, other: Any) -> Symbol:
        symbol = first_symbol((x, other))
        result: Symbol = getattr(_truth(symbol.lift(x)), name)(_truth(symbol.lift(other)))
        return result

    return apply


def _truth(x: Symbol) -> Symbol:
    return x if x.is_mask else x != 0.0


def _sum(x: Symbol, dim: Axis = None, keepdim: bool = False) -> Symbol:
    return x.reduce("sum", dim, keepdim)


def _mean(x: Symbol, dim: Axis = None, keepdim: bool = False) -> Symbol:
    return _sum(x, dim, keepdim) / x.count(x._axes(dim))


def _amax(x: Symbol, dim: Axis = None, keepdim: bool = False) -> Symbol:
    return x.reduce("amax", dim, keepdim)


def _amin(x: Symbol, dim: Axis = None, keepdim: bool = False) -> Symbol:
    return x.reduce("amin", dim, keepdim)


def _norm(
    x: Symbol, p: Any = 2, dim: Axis = None, keepdim: bool = False, dtype: None = None
) -> Symbol:
    if p not in (2, 2.0, "fro", None):
        x.tracer.refuse(f"norm with p={p!r}; only the Euclidean norm is allowed", "operations")
    squares = _sum(x * x, dim, keepdim)
    # at 0 the root's slope is infinite; torch's norm has a gradient of 0 there
    root: Symbol = x.make("sqrt", _where(squares > 0.0, squares, 1.0))
    return _where(squares > 0.0, root, 0.0)


def _vector_norm(
    x: Symbol, ord: Any = 2, dim: Axis = None, keepdim: bool = False, *, dtype: None = None
) -> Symbol:
    return _norm(x, ord, dim, keepdim)


def _linalg_norm(
    x: Symbol, ord: Any = None, dim: Axis = None, keepdim: bool = False, *, dtype: None = None
) -> Symbol:
    # over two axes, ord=2 is the largest singular value
    if ord is not None and ord != "fro" and len(x._axes(dim)) == 2:
        x.tracer.refuse(f"linalg.norm of a matrix with ord={ord!r}", "operations")
    return _norm(x, ord, dim, keepdim)


def _normalize(x: Symbol, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Symbol:
    return x / _maximum(_norm(x, p, dim, True), eps)


def _softmax(x: Symbol, dim: int = -1, _stacklevel: int = 3, dtype: None = None) -> Symbol:
    (axis,) = x._axes(dim)
    return x.make("softmax", x.as_float(), attr=axis)


def _clamp(x: Symbol, min: Any = None, max: Any = None) -> Symbol:
    result = x if min is None else _maximum(x, min)
    return result if max is None else _minimum(result, max)


_maximum, _minimum = _pair("maximum"), _pair("minimum")
_exp, _log, _sigmoid = _pointwise("exp"), _pointwise("log"), _pointwise("sigmoid")


def _where(condition: Any, input: Any, other: Any) -> Symbol:
    symbol = first_symbol((condition, input, other))
    mask = symbol.lift(condition).as_mask()
    return symbol.make("where", mask, *(symbol.lift(x).as_float() for x in (input, other)))


def _masked_fill(x: Symbol, mask: Symbol, value: Any) -> Symbol:
    return _where(mask, value, x)


def _tril(x: Symbol, diagonal: int = 0) -> Symbol:
    if diagonal != 0:
        x.tracer.refuse("tril with a diagonal other than 0", "operations")
    return _where(causal_mask_of(x), x, 0.0)


def causal_mask_of(x: Symbol) -> Symbol:
    """True where the key is not later than the query, for a [C, C] tensor."""
    if x.dims != ("query", "key"):
        x.tracer.refuse("a causal mask needs the shape of `scores`, [C, C]", "shapes")
    return x.make("causal_mask", rank=2)


def _square(x: Symbol) -> Symbol:
    return x * x


def _reciprocal(x: Symbol) -> Symbol:
    return 1.0 / x


def _relu(x: Symbol, inplace: bool = False) -> Symbol:
    return _maximum(x, 0.0)


def _silu(x: Symbol, inplace: bool = False) -> Symbol:
    return x * _sigmoid(x)


def _softplus(x: Symbol, beta: float = 1.0, threshold: float = 20.0) -> Symbol:
    if beta != 1.0:
        x.tracer.refuse("softplus with a beta other than 1", "operations")
    # log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)): never overflows
    return _maximum(x, 0.0) + _log(1.0 + _exp(-abs(x)))


def _lerp(x: Symbol, end: Any, weight: Any) -> Symbol:
    result: Symbol = x + weight * (end - x)
    return result


def _zeros_like(x: Symbol) -> Symbol:
    return x * 0.0


def _ones_like(x: Symbol) -> Symbol:
    return x * 0.0 + 1.0


def _transpose(x: Symbol, dim0: int, dim1: int) -> Symbol:
    return x if dim0 % 2 == dim1 % 2 else x.t()


def _same(x: Symbol) -> Symbol:
    return x


def _t(x: Symbol) -> Symbol:
    return x.t()


def _unsqueeze(x: Symbol, dim: int) -> Symbol:
    return x.unsqueeze(dim)


ALLOWED: dict[str, Callable[..., Symbol]] = {
    **{op: _pointwise(op) for op in ops.UNARY if op not in ("neg", "abs")},
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
    "maximum": _maximum,
    "minimum": _minimum,
    "clamp": _clamp,
    "clip": _clamp,
    "where": _where,
    "masked_fill": _masked_fill,
    "tril": _tril,
    "sum": _sum,
    "mean": _mean,
    "amax": _amax,
    "amin": _amin,
    "norm": _norm,
    "vector_norm": _vector_norm,
    "linalg_vector_norm": _vector_norm,
    "linalg_norm": _linalg_norm,
    "normalize": _normalize,
    "softmax": _softmax,
    "square": _square,
    "reciprocal": _reciprocal,
    "relu": _relu,
    "silu": _silu,
    "softplus": _softplus,
    "lerp": _lerp,
    "zeros_like": _zeros_like,
    "ones_like": _ones_like,
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
