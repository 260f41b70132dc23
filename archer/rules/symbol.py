"""What a hook is called with when it is traced: a tensor that only writes down what is done to it.

A Symbol has the rank its author sees (0, 1 or 2) and a graph node that is always a matrix: a
scalar is ["1", "1"], a vector ["1", n]. Sizes are symbolic, so one trace serves every C, d_k, d_v.
"""

import math
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from numbers import Real
from types import FrameType
from typing import Any, NoReturn, Protocol

from archer.rules import ops
from archer.rules.base import Knob, RuleError, Signal
from archer.rules.builder import Builder, TooLargeError

Axis = int | tuple[int, ...] | list[int] | None


class Functions(Protocol):
    """What torch's functions and methods do to symbols (`archer.rules.functions`)."""

    def call(
        self, symbol: "Symbol", name: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """The function of that name, called with `symbol` among its arguments."""

    def method(self, symbol: "Symbol", name: str) -> Callable[..., Any]:
        """The symbol's bound method of that name."""


class Tracer:
    """One hook being traced: its builder, and the file whose lines errors should point at."""

    def __init__(self, file: str, hook: str, functions: Functions) -> None:
        self.builder, self.file, self.hook, self.functions = Builder(), file, hook, functions

    def line(self) -> int | None:
        """The line of the rule's own file that is running now."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if frame.f_code.co_filename == self.file:
                return frame.f_lineno
            frame = frame.f_back
        return None

    def refuse(self, reason: str, check: str) -> NoReturn:
        raise RuleError(f"{self.hook}: {reason}", check=check, line=self.line(), file=self.file)

    def input(self, name: str, shape: ops.Shape, rank: int) -> "Symbol":
        """A named input of the hook."""
        return Symbol(self, self.builder.add("input", attr=name, shape=shape), rank)


class Symbol:
    """A traced tensor. Arithmetic, comparisons and the allowed torch functions build the graph."""

    __slots__ = ("index", "rank", "tracer")
    __hash__ = None  # type: ignore[assignment]
    __array_priority__ = 1000

    def __init__(self, tracer: Tracer, index: int, rank: int) -> None:
        self.tracer, self.index, self.rank = tracer, index, rank

    def __repr__(self) -> str:
        """For an author who prints: its name, if it has one, and its shape."""
        node = self.tracer.builder.nodes[self.index]
        named = node.op in ("input", "size", "const")
        name = str(node.attr) if named else "tensor" if self.rank else "scalar"
        return f"{name} {ops.show_shape(self.dims[2 - self.rank :])}" if self.rank else name

    def __format__(self, spec: str) -> str:
        """The same, whatever the digits asked for: `print(f"{S.norm():.3f}")` is no mistake."""
        return repr(self)

    # -- what an author may ask about it -------------------------------------------------------

    @property
    def dims(self) -> ops.Shape:
        """The dimensions of its node, [rows, cols]."""
        return self.tracer.builder.nodes[self.index].shape

    @property
    def shape(self) -> tuple[Any, ...]:
        """Symbolic sizes, usable as numbers: `U.shape[-1] ** -0.5`."""
        dims = self.dims[2 - self.rank :]
        return tuple(1 if dim == "1" else self._size(dim) for dim in dims)

    def size(self, dim: int | None = None) -> Any:
        return self.shape if dim is None else self.shape[dim]

    @property
    def ndim(self) -> int:
        return self.rank

    def dim(self) -> int:
        return self.rank

    @property
    def T(self) -> "Symbol":  # noqa: N802
        return self.t()

    @property
    def mT(self) -> "Symbol":  # noqa: N802
        return self.t()

    def t(self) -> "Symbol":
        return self.make("transpose", self, rank=2) if self.rank == 2 else self

    # -- building ------------------------------------------------------------------------------

    def _size(self, dim: str) -> "Symbol":
        name = "C" if dim in ops.TOKEN_DIMS else dim
        return Symbol(self.tracer, self.tracer.builder.add("size", attr=name), 0)

    def lift(self, value: Any) -> "Symbol":
        """A Symbol for a number or Symbol. Raises RuleError for anything else."""
        if isinstance(value, Symbol):
            return value
        if isinstance(value, Real):
            if math.isnan(value):
                self.tracer.refuse("NaN cannot enter a rule graph", "operations")
            return Symbol(self.tracer, self.tracer.builder.const(float(value)), 0)
        if isinstance(value, Knob | Signal):
            self.tracer.refuse("a knob or signal is read as p.NAME, not as self.NAME", "operations")
        self.tracer.refuse(
            f"a value of type {type(value).__name__} cannot enter a rule graph; "
            "use plain numbers, knobs, signals and the hook's own arguments",
            "operations",
        )

    def make(self, op: str, *args: Any, rank: int | None = None, attr: Any = None) -> "Symbol":
        """The node `op(args)` as a Symbol of the given rank (default: the largest among args)."""
        values = [self.lift(arg) for arg in args]
        rank = max(value.rank for value in values) if rank is None else rank
        indices = [value.index for value in values]
        try:
            index = self.tracer.builder.add(op, *indices, attr=attr, line=self.tracer.line())
        except ops.ShapeError as error:
            hint = self._product_hint(values) if op == "matmul" else self._broadcast_hint(values)
            self.tracer.refuse(f"{op}: {error}{hint}", "shapes")
        except TooLargeError as error:
            self.tracer.refuse(f"{error}; a rule is a few dozen", "operations")
        return Symbol(self.tracer, index, rank)

    def _broadcast_hint(self, values: list["Symbol"]) -> str:
        vector = any(value.rank == 1 and value.dims[1] == "token" for value in values)
        return "; a [C] vector scales rows as `x[:, None]`" if vector else ""

    def _product_hint(self, values: list["Symbol"]) -> str:
        """The transpose that makes a matrix product possible."""
        a, b = values
        for turned, pair in ((b, (a.dims, b.dims[::-1])), (a, (a.dims[::-1], b.dims))):
            with suppress(ops.ShapeError):
                ops.infer_shape("matmul", None, [*pair])
                node = self.tracer.builder.nodes[turned.index]
                name = str(node.attr) if node.op == "input" else "x"
                return f"; write `@ {name}.mT`" if turned is b else f"; write `{name}.mT @`"
        return ""

    @property
    def is_mask(self) -> bool:
        """Whether it holds true and false, as comparisons give."""
        return self.tracer.builder.is_mask(self.index)

    def as_float(self) -> "Symbol":
        """A mask as zeros and ones, so that it can take part in arithmetic."""
        return self.make("where", self, 1.0, 0.0) if self.is_mask else self

    def as_mask(self) -> "Symbol":
        """Itself, which must be a mask."""
        if not self.is_mask:
            self.tracer.refuse(
                "& | ~ and the condition of torch.where take comparisons, such as x > 0",
                "operations",
            )
        return self

    def __getitem__(self, key: Any) -> "Symbol":
        keys = key if isinstance(key, tuple) else (key,)
        new = [place for place, k in enumerate(keys) if k is None]
        whole = [k for k in keys if k is Ellipsis or (isinstance(k, slice) and k == slice(None))]
        if len(whole) + len(new) != len(keys):
            self.tracer.refuse("indexing: only x[:, None] and x[None, :] are allowed", "operations")
        if not new:
            return self
        if self.rank + len(new) > 2:
            self.tracer.refuse("a hook's tensors have at most two dimensions", "shapes")
        if self.rank == 0:
            return Symbol(self.tracer, self.index, len(new))
        return self.unsqueeze(0 if new == [0] else -1)

    def unsqueeze(self, dim: int) -> "Symbol":
        if self.rank == 2:
            self.tracer.refuse("a hook's tensors have at most two dimensions", "shapes")
        if not -self.rank - 1 <= dim <= self.rank:
            self.tracer.refuse(f"unsqueeze({dim}) of {self.rank} dimensions", "shapes")
        if self.rank == 0:
            return Symbol(self.tracer, self.index, 1)
        if dim in (0, -2):
            return Symbol(self.tracer, self.index, 2)
        return self.make("transpose", self, rank=2)

    def reduce(self, op: str, dim: Axis = None, keepdim: bool = False) -> "Symbol":
        """Reduce over some axes (all of them by default), as torch's reductions do."""
        axes = self._axes(dim)
        result = self.as_float()
        for axis in axes:
            result = result.make(op, result, rank=self.rank, attr=axis)
        if keepdim:
            return result
        if self.rank == 2 and axes == [-1]:  # [rows, 1] becomes a vector over rows
            return result.make("transpose", result, rank=1)
        return Symbol(self.tracer, result.index, self.rank - len(axes))

    def _axes(self, dim: Axis) -> list[int]:
        if dim is None:
            axes = list(range(-self.rank, 0))
        else:
            listed = list(dim) if isinstance(dim, tuple | list) else [dim]
            if not all(-self.rank <= axis < self.rank for axis in listed):
                self.tracer.refuse(f"axis {dim} of a {self.rank}-dimensional tensor", "shapes")
            axes = sorted({axis if axis < 0 else axis - self.rank for axis in listed})
        for axis in axes:
            self.check_axis(axis)
        return axes

    def check_axis(self, axis: int) -> None:
        """In `local` a reduction over queries, or over a signal's tokens, would look ahead."""
        dim = self.dims[axis]
        if ops.looks_ahead(self.tracer.hook, dim):
            self.tracer.refuse(
                f"reduces over {'queries' if dim == 'query' else 'all tokens of the chunk'}, "
                "which lets a token see later ones; reduce over keys (dim=-1 of scores) instead",
                "causal",
            )

    def count(self, axes: list[int]) -> "Symbol":
        """How many elements a reduction over these axes takes in."""
        result = self.lift(1.0)
        for axis in axes:
            if self.dims[axis] != "1":
                result = result * self._size(self.dims[axis])
        return result

    # -- Python's operators --------------------------------------------------------------------

    def _binary(self, op: str, a: Any, b: Any) -> "Symbol":
        return self.make(op, self.lift(a).as_float(), self.lift(b).as_float())

    def __add__(self, other: Any) -> "Symbol":
        return self._binary("add", self, other)

    def __radd__(self, other: Any) -> "Symbol":
        return self._binary("add", other, self)

    def __sub__(self, other: Any) -> "Symbol":
        return self._binary("sub", self, other)

    def __rsub__(self, other: Any) -> "Symbol":
        return self._binary("sub", other, self)

    def __mul__(self, other: Any) -> "Symbol":
        return self._binary("mul", self, other)

    def __rmul__(self, other: Any) -> "Symbol":
        return self._binary("mul", other, self)

    def __truediv__(self, other: Any) -> "Symbol":
        return self._binary("div", self, other)

    def __rtruediv__(self, other: Any) -> "Symbol":
        return self._binary("div", other, self)

    def __pow__(self, other: Any) -> "Symbol":
        base = self.as_float()
        if isinstance(other, int | float):
            if other in (1, 2, 3):
                return base * base * base if other == 3 else base * base if other == 2 else base
            if other in (0.5, -0.5):
                return base.make("sqrt" if other > 0 else "rsqrt", base)
        return self._binary("pow", base, other)

    def __rpow__(self, other: Any) -> "Symbol":
        return self._binary("pow", other, self)

    def __matmul__(self, other: Any) -> "Symbol":
        a, b = self.as_float(), self.lift(other).as_float()
        if 0 in (a.rank, b.rank):
            self.tracer.refuse("matrix product with a scalar; use * instead", "shapes")
        column = b.rank == 1
        b = b.make("transpose", b, rank=2) if column else b
        a.check_axis(-1)
        b.check_axis(-2)
        result = self.make("matmul", a, b, rank=a.rank)
        if not column:
            return result
        return Symbol(self.tracer, result.make("transpose", result).index, a.rank - 1)

    def __neg__(self) -> "Symbol":
        return self.make("neg", self.as_float())

    def __abs__(self) -> "Symbol":
        return self.make("abs", self.as_float())

    def __lt__(self, other: Any) -> "Symbol":
        return self._binary("lt", self, other)

    def __le__(self, other: Any) -> "Symbol":
        return self._binary("le", self, other)

    def __gt__(self, other: Any) -> "Symbol":
        return self._binary("gt", self, other)

    def __ge__(self, other: Any) -> "Symbol":
        return self._binary("ge", self, other)

    def __eq__(self, other: object) -> "Symbol":  # type: ignore[override]
        return self._binary("eq", self, other)

    def __ne__(self, other: object) -> "Symbol":  # type: ignore[override]
        return self._binary("ne", self, other)

    def __and__(self, other: Any) -> "Symbol":
        return self._logic("and", other)

    def __or__(self, other: Any) -> "Symbol":
        return self._logic("or", other)

    def __invert__(self) -> "Symbol":
        return self.make("not", self.as_mask())

    __rand__, __ror__ = __and__, __or__

    def _logic(self, op: str, other: Any) -> "Symbol":
        return self.make(op, self.as_mask(), self.lift(other).as_mask())

    # -- what a graph cannot hold --------------------------------------------------------------

    def __bool__(self) -> bool:
        self.tracer.refuse(
            "`if` and `while` on a tensor or knob are not part of a rule graph; "
            "use torch.where(condition, a, b)",
            "operations",
        )

    def __float__(self) -> float:
        self.tracer.refuse(
            "a traced value has no number; use torch functions instead of math functions, "
            "and `x ** 0.5` instead of math.sqrt(x)",
            "operations",
        )

    __int__ = __float__

    def __index__(self) -> int:
        self.tracer.refuse(
            "a size is no number while a hook is traced, so nothing loops over tokens or rows; "
            "use sums over an axis and matrix products",
            "operations",
        )

    def __iter__(self) -> Any:
        self.tracer.refuse("a traced tensor cannot be iterated over", "operations")

    def __setitem__(self, key: Any, value: Any) -> None:
        self.tracer.refuse("hooks are pure functions: nothing is assigned in place", "operations")

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.tracer.functions.method(self, name)

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        inside = [item for arg in args if isinstance(arg, tuple | list) for item in arg]
        symbol = first_symbol([*args, *kwargs.values(), *inside])
        return symbol.tracer.functions.call(
            symbol, getattr(func, "__name__", str(func)), args, kwargs
        )


def first_symbol(values: Iterable[Any]) -> Symbol:
    """The first Symbol among values."""
    return next(value for value in values if isinstance(value, Symbol))
