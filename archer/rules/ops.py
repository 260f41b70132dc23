"""The allow-list: every operation a rule graph may hold, and the shape each one gives.

Every value in a graph is a matrix [rows, cols] of one head and one chunk. A dimension is one of
the names below; scalars are ["1", "1"], a vector over tokens is ["1", "token"].

    token  tokens of the chunk (size C)          d_k, d_v  head sizes
    query  tokens, as the rows of `scores`       1         a broadcast dimension
    key    tokens, as the columns of `scores`
"""

Shape = tuple[str, str]

UNARY = ("neg", "exp", "log", "sqrt", "rsqrt", "tanh", "sigmoid", "abs", "sign")
BINARY = ("add", "sub", "mul", "div", "pow", "maximum", "minimum")
COMPARE = ("lt", "le", "gt", "ge", "eq", "ne")
LOGIC = ("and", "or", "not")
REDUCE = ("sum", "amax", "amin")
NULLARY = ("input", "const", "size", "causal_mask")
OTHER = ("where", "softmax", "matmul", "transpose", "expand")
ALL_OPS = (*UNARY, *BINARY, *COMPARE, *LOGIC, *REDUCE, *NULLARY, *OTHER)

COMMUTATIVE = frozenset({"add", "mul", "maximum", "minimum", "eq", "ne", "and", "or"})
BOOLEAN = frozenset({*COMPARE, *LOGIC, "causal_mask"})

ARITY = (
    dict.fromkeys(NULLARY, 0)
    | dict.fromkeys((*UNARY, *REDUCE, "not", "softmax", "transpose"), 1)
    | dict.fromkeys((*BINARY, *COMPARE, "and", "or", "matmul", "expand"), 2)
    | {"where": 3}
)

TOKEN_DIMS = ("token", "query", "key")
SIZES = ("C", "d_k", "d_v")

# What each hook is called with, beside knobs, signals, slots and the step, and what it returns.
HOOK_INPUTS: dict[str, dict[str, Shape]] = {
    "gate": {"U": ("token", "d_v")},
    "local": {"scores": ("query", "key")},
    "write": {"S": ("d_k", "d_v"), "dS": ("d_k", "d_v")},
}
HOOKS = tuple(HOOK_INPUTS)
OUTPUT_SHAPE: dict[str, Shape] = {
    "gate": ("token", "d_v"),
    "local": ("query", "key"),
    "write": ("d_k", "d_v"),
}


def mask_arguments(op: str) -> tuple[bool, ...] | None:
    """For each argument of `op` whether it must be a mask; None where both do (a transpose)."""
    if op == "transpose":
        return None
    if op == "where":
        return True, False, False
    return (op in LOGIC,) * ARITY[op]


def is_mask(op: str, args: list[bool]) -> bool:
    """Whether `op` gives a mask, from whether its arguments are masks."""
    return op in BOOLEAN or (op == "transpose" and args[0])


class ShapeError(ValueError):
    """Shapes that do not fit an operation; the message says which."""


def show_shape(shape: tuple[str, ...]) -> str:
    """The shape as authors know it: [C, d_v]."""
    return "[" + ", ".join("C" if dim in TOKEN_DIMS else dim for dim in shape) + "]"


def fits_output(hook: str, shape: Shape) -> bool:
    """Whether a hook may return this shape; in `local` rows and columns are both tokens."""
    return all(
        a == b or (hook == "local" and a in TOKEN_DIMS)
        for a, b in zip(shape, OUTPUT_SHAPE[hook], strict=True)
    )


def looks_ahead(hook: str, dim: str) -> bool:
    """In `local` a reduction over queries, or over a signal's tokens, lets a token see later ones.

    A reduction over keys need not, as `scores` is zero above the diagonal; whether one does is for
    `archer.rules.ahead` to say.
    """
    return hook == "local" and dim in ("query", "token")


def join_dim(a: str, b: str) -> str | None:
    """The dimension two broadcast dimensions give, or None if they do not fit.

    Rows and columns of `scores` mix (after a transpose) into "query": the careful answer, since
    a reduction over queries is what `local` must not do.
    """
    if a == b or b == "1":
        return a
    if a == "1":
        return b
    if a in TOKEN_DIMS and b in TOKEN_DIMS:
        return "key" if {a, b} == {"token", "key"} else "query"
    return None


def broadcast(a: Shape, b: Shape) -> Shape:
    """Shape of a pointwise operation. Raises ShapeError."""
    rows, cols = join_dim(a[0], b[0]), join_dim(a[1], b[1])
    if rows is None or cols is None:
        raise ShapeError(f"shapes {show_shape(a)} and {show_shape(b)} do not broadcast")
    return rows, cols


def infer_shape(op: str, attr: object, shapes: list[Shape]) -> Shape:
    """Shape of `op` applied to values of these shapes. Raises ShapeError."""
    if op in ("const", "size"):
        return "1", "1"
    if op == "causal_mask":
        return "query", "key"
    if op == "transpose":
        return shapes[0][1], shapes[0][0]
    if op in REDUCE:
        return (shapes[0][0], "1") if attr == -1 else ("1", shapes[0][1])
    if op == "matmul":
        a, b = shapes
        if a[1] != b[0] and ("1" in (a[1], b[0]) or join_dim(a[1], b[0]) is None):
            raise ShapeError(f"no matrix product of {show_shape(a)} and {show_shape(b)}")
        return a[0], b[1]
    result = shapes[0]
    for shape in shapes[1:]:
        result = broadcast(result, shape)
    return result
