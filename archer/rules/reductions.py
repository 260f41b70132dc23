"""Torch's reductions and what is made of them, written in operations of the graph."""

from collections.abc import Callable
from typing import Any

from archer.rules.elementwise import maximum, where
from archer.rules.symbol import Symbol

Axis = int | tuple[int, ...] | list[int] | None


def _reduced(x: Symbol, op: str, dim: Axis, keepdim: bool) -> Symbol:
    """Reduced over some axes, all of them for None."""
    axes = _axes(x, dim)
    result = x.as_float()
    for axis in axes:
        result = result.make(op, result, rank=x.rank, attr=axis)
    if keepdim:
        return result
    if x.rank == 2 and axes == [-1]:  # [rows, 1] becomes a vector over rows
        return result.make("transpose", result, rank=1)
    return Symbol(x.tracer, result.index, x.rank - len(axes))


def _axes(x: Symbol, dim: Axis) -> list[int]:
    """Counted from the last, in order. Refuses those that x does not have or may not reduce."""
    if dim is None:
        axes = list(range(-x.rank, 0))
    else:
        listed = list(dim) if isinstance(dim, tuple | list) else [dim]
        if not all(-x.rank <= axis < x.rank for axis in listed):
            x.tracer.refuse(f"axis {dim} of a {x.rank}-dimensional tensor", "shapes")
        axes = sorted({axis if axis < 0 else axis - x.rank for axis in listed})
    for axis in axes:
        x.check_axis(axis)
    return axes


def _count(x: Symbol, axes: list[int]) -> Symbol:
    """How many elements a reduction over these axes takes in."""
    result = x.lift(1.0)
    for axis in axes:
        if x.dims[axis] != "1":
            result = result * x.size_of(x.dims[axis])
    return result


def _sum(x: Symbol, dim: Axis = None, keepdim: bool = False) -> Symbol:
    return _reduced(x, "sum", dim, keepdim)


def _mean(x: Symbol, dim: Axis = None, keepdim: bool = False) -> Symbol:
    return _sum(x, dim, keepdim) / _count(x, _axes(x, dim))


def _amax(x: Symbol, dim: Axis = None, keepdim: bool = False) -> Symbol:
    return _reduced(x, "amax", dim, keepdim)


def _amin(x: Symbol, dim: Axis = None, keepdim: bool = False) -> Symbol:
    return _reduced(x, "amin", dim, keepdim)


def _norm(
    x: Symbol, p: Any = 2, dim: Axis = None, keepdim: bool = False, dtype: None = None
) -> Symbol:
    if p not in (2, 2.0, "fro", None):
        x.tracer.refuse(f"norm with p={p!r}; only the Euclidean norm is allowed", "operations")
    squares = _sum(x * x, dim, keepdim)
    # at 0 the root's slope is infinite; torch's norm has a gradient of 0 there
    root: Symbol = x.make("sqrt", where(squares > 0.0, squares, 1.0))
    return where(squares > 0.0, root, 0.0)


def _vector_norm(
    x: Symbol, ord: Any = 2, dim: Axis = None, keepdim: bool = False, *, dtype: None = None
) -> Symbol:
    return _norm(x, ord, dim, keepdim)


def _linalg_norm(
    x: Symbol, ord: Any = None, dim: Axis = None, keepdim: bool = False, *, dtype: None = None
) -> Symbol:
    # over two axes, ord=2 is the largest singular value
    if ord is not None and ord != "fro" and len(_axes(x, dim)) == 2:
        x.tracer.refuse(f"linalg.norm of a matrix with ord={ord!r}", "operations")
    return _norm(x, ord, dim, keepdim)


def _normalize(x: Symbol, p: float = 2.0, dim: int = 1, eps: float = 1e-12) -> Symbol:
    return x / maximum(_norm(x, p, dim, True), eps)


def _softmax(x: Symbol, dim: int = -1, _stacklevel: int = 3, dtype: None = None) -> Symbol:
    (axis,) = _axes(x, dim)
    return x.make("softmax", x.as_float(), attr=axis)


REDUCTIONS: dict[str, Callable[..., Symbol]] = {
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
}
