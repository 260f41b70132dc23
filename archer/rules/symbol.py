"""What a hook is called with when it is traced: it only writes down what is done to it."""

from collections.abc import Callable, Iterable
from typing import Any

from archer.rules.value import Value


class Symbol(Value):
    """A traced tensor. Arithmetic, comparisons and the allowed torch functions build the graph."""

    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]
    __array_priority__ = 1000

    # -- its shape ----------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[Any, ...]:
        """Symbolic sizes, usable as numbers: `U.shape[-1] ** -0.5`."""
        dims = self.dims[2 - self.rank :]
        return tuple(1 if dim == "1" else self.size_of(dim) for dim in dims)

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
        return result.make("transpose", result, rank=a.rank - 1)

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
