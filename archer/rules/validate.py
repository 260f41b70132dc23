"""What every rule graph must satisfy, whether it was traced here or read from a file.

Names are checked as strictly as operations: they end up in generated source.
"""

import keyword
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from archer.rules import ops
from archer.rules.base import ACTIVATIONS, RuleError

if TYPE_CHECKING:
    from archer.rules.graph import RuleGraph

MAX_NODES = 10_000  # per hook
MAX_CHUNK_SIZE = 1024

RESERVED = frozenset(
    {"S", "dS", "U", "scores", "step", "C", "d_k", "d_v", "causal", "torch", "math"}
)
# Arguments of an exported rule, beside which its knobs and signals must stand.
RESERVED_ARGUMENTS = frozenset({"q", "k", "v", "g", "beta", "chunk_size"})
# Python's own names that exported code uses.
RESERVED_ARGUMENTS |= {"ValueError", "enumerate", "float", "range", "slice"}


def is_plain_name(name: object) -> bool:
    """Whether a name can stand in generated source."""
    return isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(name)


def name_problem(names: Sequence[str], slots: Sequence[str]) -> tuple[str, str] | None:
    """The first name of a knob, signal or slot that cannot be used, and why."""
    for name in names:
        taken = RESERVED if name in slots else RESERVED | RESERVED_ARGUMENTS
        if not is_plain_name(name) or name in taken or name.startswith("_"):
            return name, f"{name!r} is a reserved name; rename it"
        if names.count(name) > 1:
            return name, f"{name!r} is declared twice"
    return None


def node_shape(
    hook: str, slots: Sequence[str], op: str, attr: Any, args: list[tuple[ops.Shape, bool]]
) -> ops.Shape:
    """Shape of a node from the (shape, is a mask) of its arguments. Raises RuleError."""
    shapes = [shape for shape, _ in args]
    if op == "input":
        return _input_shape(hook, attr, slots)
    _check_attr(op, attr)
    _check_masks(op, [mask for _, mask in args])
    contracted = [shapes[0][1], shapes[1][0]] if op == "matmul" else []
    if op in ops.REDUCE or op == "softmax":
        contracted = [shapes[0][attr]]
    if any(ops.looks_ahead(hook, dim) for dim in contracted):
        raise RuleError(f"{hook}: {op} over queries looks ahead", check="causal")
    try:
        return ops.infer_shape(op, attr, shapes)
    except ops.ShapeError as error:
        raise RuleError(str(error), check="shapes") from error


def _input_shape(hook: str, name: Any, slots: Sequence[str]) -> ops.Shape:
    known = dict(ops.HOOK_INPUTS[hook])
    if hook == "write":
        known |= {f"slots.{slot}": ("d_k", "d_v") for slot in slots}
    name = str(name)
    if name == "step" or name.startswith("knob."):
        return "1", "1"
    if name.startswith("signal."):
        return "1", "token"
    if name not in known:
        _refuse(f"{hook} has no input {name!r}")
    return known[name]


def _check_attr(op: str, attr: Any) -> None:
    if op == "const":
        if not is_number(attr):
            _refuse(f"constant {attr!r} is not a finite number")
    elif op == "size":
        if attr not in ops.SIZES:
            _refuse(f"unknown size {attr!r}")
    elif op in ops.REDUCE or op == "softmax":
        if attr not in (-1, -2):
            _refuse(f"{op} over axis {attr!r}")
    elif attr is not None:
        _refuse(f"{op} takes no attribute {attr!r}")


def _check_masks(op: str, masks: list[bool]) -> None:
    wanted = ops.mask_arguments(op)
    if wanted is not None and list(wanted) != masks:
        raise RuleError(f"{op} mixes masks and numbers", check="operations")


def is_number(value: object) -> bool:
    """Whether a value is a finite int or float."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(float(value))
    except OverflowError:
        return False


def check_rule(rule: "RuleGraph") -> None:
    """Names, knobs, signals, slots and outputs of a whole rule. Raises RuleError."""
    signals = [signal.name for signal in rule.signals]
    problem = name_problem([*(k.name for k in rule.knobs), *signals, *rule.slots], rule.slots)
    if problem or not is_plain_name(rule.name):
        _refuse(problem[1] if problem else f"rule name {rule.name!r}")
    for knob in rule.knobs:
        numbers = all(map(is_number, (knob.low, knob.default, knob.high)))
        if not numbers or not knob.low <= knob.default <= knob.high or knob.low == knob.high:
            _refuse(f"knob {knob.name}: default and bounds do not fit")
    if any(s.activation not in ACTIVATIONS for s in rule.signals):
        _refuse("unknown activation")
    if not 1 <= rule.chunk_size <= MAX_CHUNK_SIZE:
        _refuse(f"chunk size {rule.chunk_size}")
    if sum(s.activation == "log_decay" for s in rule.signals) > 1:
        _refuse("more than one log_decay signal")
    _check_reads_and_writes(rule)


def _check_reads_and_writes(rule: "RuleGraph") -> None:
    known = {f"knob.{k.name}" for k in rule.knobs} | {f"signal.{s.name}" for s in rule.signals}
    slots = {f"slots.{slot}" for slot in rule.slots}
    for hook, wanted in {"gate": {"U"}, "local": {"scores"}, "write": {"S", *slots}}.items():
        graph = rule.hook(hook)
        unknown = {n for n in graph.inputs if n.startswith(("knob.", "signal."))} - known
        if unknown:
            _refuse(f"graph reads undeclared {sorted(unknown)}")
        names = [name for name, _ in graph.outputs]
        if set(names) != wanted or len(names) != len(wanted):
            _refuse(f"{hook} must return {sorted(wanted)}, not {names}")


def _refuse(reason: str) -> NoReturn:
    raise RuleError(reason, check="graph")
