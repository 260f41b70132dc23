"""A node of the graph that is being traced, with the rank that the rule's author sees.

The rank is 0, 1 or 2; the node is always a matrix: a scalar is ["1", "1"], a vector ["1", n].
Sizes are symbolic, so one trace serves every C, d_k, d_v.
"""

import math
from collections.abc import Sequence
from contextlib import suppress
from numbers import Real
from typing import Any, Self

from archer.rules import ops
from archer.rules.base import Knob, Signal
from archer.rules.builder import TooLargeError
from archer.rules.tracer import Tracer


class Value:
    """A node and its rank: its dimensions, and the nodes that are made of it."""

    __slots__ = ("index", "rank", "tracer")

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

    @property
    def dims(self) -> ops.Shape:
        """The dimensions of its node, [rows, cols]."""
        return self.tracer.builder.nodes[self.index].shape

    @property
    def is_mask(self) -> bool:
        """Whether it holds true and false, as comparisons give."""
        return self.tracer.builder.is_mask(self.index)

    def size_of(self, dim: str) -> Self:
        """The size of a dimension as a scalar."""
        name = "C" if dim in ops.TOKEN_DIMS else dim
        return type(self)(self.tracer, self.tracer.builder.add("size", attr=name), 0)

    def lift(self, value: Any) -> Self:
        """Itself or a number as a value of its kind. Raises RuleError for anything else."""
        if isinstance(value, type(self)):
            return value
        if isinstance(value, Real):
            if math.isnan(value):
                self.tracer.refuse("NaN cannot enter a rule graph", "operations")
            return type(self)(self.tracer, self.tracer.builder.const(float(value)), 0)
        if isinstance(value, Knob | Signal):
            self.tracer.refuse("a knob or signal is read as p.NAME, not as self.NAME", "operations")
        self.tracer.refuse(
            f"a value of type {type(value).__name__} cannot enter a rule graph; "
            "use plain numbers, knobs, signals and the hook's own arguments",
            "operations",
        )

    def make(self, op: str, *args: Any, rank: int | None = None, attr: Any = None) -> Self:
        """The node `op(args)` with the given rank (default: the largest among args)."""
        values = [self.lift(arg) for arg in args]
        rank = max(value.rank for value in values) if rank is None else rank
        indices = [value.index for value in values]
        try:
            index = self.tracer.builder.add(op, *indices, attr=attr, line=self.tracer.line())
        except ops.ShapeError as error:
            hint = _product_hint(*values) if op == "matmul" else _broadcast_hint(values)
            self.tracer.refuse(f"{op}: {error}{hint}", "shapes")
        except TooLargeError as error:
            self.tracer.refuse(f"{error}; a rule is a few dozen", "operations")
        return type(self)(self.tracer, index, rank)

    def as_float(self) -> Self:
        """A mask as zeros and ones, so that it can take part in arithmetic."""
        return self.make("where", self, 1.0, 0.0) if self.is_mask else self

    def as_mask(self) -> Self:
        """Itself, which must be a mask."""
        if not self.is_mask:
            self.tracer.refuse(
                "& | ~ and the condition of torch.where take comparisons, such as x > 0",
                "operations",
            )
        return self

    def check_axis(self, axis: int) -> None:
        """In `local` a reduction over queries, or over a signal's tokens, would look ahead."""
        dim = self.dims[axis]
        if ops.looks_ahead(self.tracer.hook, dim):
            self.tracer.refuse(
                f"reduces over {'queries' if dim == 'query' else 'all tokens of the chunk'}, "
                "which lets a token see later ones; reduce over keys (dim=-1 of scores) instead",
                "causal",
            )


def _broadcast_hint(values: Sequence[Value]) -> str:
    vector = any(value.rank == 1 and value.dims[1] == "token" for value in values)
    return "; a [C] vector scales rows as `x[:, None]`" if vector else ""


def _product_hint(a: Value, b: Value) -> str:
    """The transpose that makes a matrix product possible."""
    for turned, pair in ((b, (a.dims, b.dims[::-1])), (a, (a.dims[::-1], b.dims))):
        with suppress(ops.ShapeError):
            ops.infer_shape("matmul", None, [*pair])
            node = turned.tracer.builder.nodes[turned.index]
            name = str(node.attr) if node.op == "input" else "x"
            return f"; write `@ {name}.mT`" if turned is b else f"; write `{name}.mT @`"
    return ""
