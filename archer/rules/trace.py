"""From a rule class to its graph: every hook is run once on symbols."""

import ast
import difflib
import inspect
import keyword
import linecache
from typing import Any, NoReturn

from archer.rules import ops
from archer.rules.base import Knob, Rule, RuleError, Signal
from archer.rules.graph import HOOKS, OUTPUT_SHAPE, Graph, KnobSpec, RuleGraph, SignalSpec
from archer.rules.symbol import Symbol, Tracer

RESERVED = frozenset(
    {"S", "dS", "U", "scores", "step", "C", "d_k", "d_v", "causal", "torch", "math"}
)
# Arguments of an exported rule, beside which its knobs and signals must stand.
RESERVED_ARGUMENTS = frozenset({"q", "k", "v", "g", "beta", "chunk_size"})

ARGUMENTS: dict[str, dict[str, ops.Shape]] = {
    "gate": {"U": ("token", "d_v")},
    "local": {"scores": ("query", "key")},
    "write": {"S": ("d_k", "d_v"), "dS": ("d_k", "d_v")},
}


class _Namespace:
    """`p` or `slots`: attributes only, unknown ones refused with the nearest name."""

    _tracer: Tracer
    _what: str
    _values: dict[str, Symbol]

    def __init__(self, tracer: Tracer, what: str, values: dict[str, Symbol]) -> None:
        self.__dict__.update(_tracer=tracer, _what=what, _values=values)

    def __getattr__(self, name: str) -> Symbol:
        if name in self._values:
            value: Symbol = self._values[name]
            return value
        near = difflib.get_close_matches(name, self._values, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        self._tracer.refuse(
            f"{self._what}.{name} is not declared (there is: {', '.join(self._values) or 'none'})"
            + hint,
            "names",
        )

    def __setattr__(self, name: str, value: object) -> NoReturn:
        self._tracer.refuse(f"{self._what}.{name} cannot be assigned to", "operations")


def trace(rule: type[Rule]) -> RuleGraph:
    """The graph of a rule class.

    Raises RuleError, with the line, for an operation outside the allow-list, a wrong shape, an
    undeclared name, or a hook that fails.
    """
    file = inspect.getsourcefile(rule) or ""
    knobs, signals = rule.declared(Knob), rule.declared(Signal)
    _check_names(rule, knobs, signals, file)
    graphs = {hook: _trace_hook(rule, hook, knobs, signals, file) for hook in HOOKS}
    graph = RuleGraph(
        name=rule.rule_name(),
        knobs=tuple(
            KnobSpec(name, float(k.default), float(k.low), float(k.high), k.learn, k.log)
            for name, k in knobs.items()
        ),
        signals=tuple(SignalSpec(name, s.activation) for name, s in signals.items()),
        slots=tuple(rule.slots),
        chunk_size=rule.chunk_size,
        **graphs,
    )
    _check_all_used(graph, file)
    return graph


def _check_names(
    rule: type[Rule], knobs: dict[str, Knob], signals: dict[str, Signal], file: str
) -> None:
    slots: object = rule.slots
    if not isinstance(slots, tuple) or not all(isinstance(slot, str) for slot in slots):
        raise RuleError('slots must be a tuple of names, as in ("m",)', check="names", file=file)
    if not isinstance(rule.chunk_size, int) or not 1 <= rule.chunk_size <= 1024:
        raise RuleError("chunk_size must be an integer from 1 to 1024", check="names", file=file)
    names = [*knobs, *signals, *rule.slots]
    for name in names:
        taken = RESERVED if name in rule.slots else RESERVED | RESERVED_ARGUMENTS
        if name in taken or keyword.iskeyword(name) or name.startswith("_"):
            raise RuleError(f"{name!r} is a reserved name; rename it", check="names", file=file)
        if names.count(name) > 1:
            raise RuleError(f"{name!r} is declared twice", check="names", file=file)
    if sum(signal.activation == "log_decay" for signal in signals.values()) > 1:
        raise RuleError("a rule has at most one log_decay signal", check="names", file=file)


def _check_all_used(graph: RuleGraph, file: str) -> None:
    read = frozenset().union(*(graph.hook(hook).inputs for hook in HOOKS))
    unused = [k.name for k in graph.knobs if f"knob.{k.name}" not in read]
    unused += [
        s.name for s in graph.signals if f"signal.{s.name}" not in read and s.name != graph.decay
    ]
    if unused:
        raise RuleError(
            f"{', '.join(unused)}: declared but no hook reads it; use it or remove it",
            check="names",
            file=file,
        )


def _trace_hook(
    rule: type[Rule], hook: str, knobs: dict[str, Knob], signals: dict[str, Signal], file: str
) -> Graph:
    tracer = Tracer(file, hook)
    arguments = [tracer.input(name, shape, 2) for name, shape in ARGUMENTS[hook].items()]
    scalars = {name: tracer.input(f"knob.{name}", ("1", "1"), 0) for name in knobs}
    vectors = {name: tracer.input(f"signal.{name}", ("1", "token"), 1) for name in signals}
    step = {"step": tracer.input("step", ("1", "1"), 0)}
    p = _Namespace(tracer, "p", scalars | vectors | step)
    if hook == "write":
        shape = ("d_k", "d_v")
        slots = {slot: tracer.input(f"slots.{slot}", shape, 2) for slot in rule.slots}
        arguments.append(_Namespace(tracer, "slots", slots))  # type: ignore[arg-type]
    result = _run(rule, hook, [*arguments, p], tracer)
    outputs = _outputs(result, hook, rule.slots, tracer)
    labels = _labels(tracer, outputs)
    return tracer.builder.finish({n: s.index for n, s in outputs.items()}, labels)


def _run(rule: type[Rule], hook: str, arguments: list[Any], tracer: Tracer) -> Any:
    try:
        return getattr(rule(), hook)(*arguments)
    except RuleError:
        raise
    except Exception as error:
        line, trace_back = None, error.__traceback__
        while trace_back is not None:
            if trace_back.tb_frame.f_code.co_filename == tracer.file:
                line = trace_back.tb_lineno
            trace_back = trace_back.tb_next
        message = (
            f"{hook}: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        )
        raise RuleError(message, check="hooks run", line=line, file=tracer.file) from error


def _outputs(result: Any, hook: str, slots: tuple[str, ...], tracer: Tracer) -> dict[str, Symbol]:
    if hook != "write":
        return {next(iter(ARGUMENTS[hook])): _checked(result, hook, "the result", tracer)}
    state, new = result if isinstance(result, tuple) and len(result) == 2 else (result, {})
    if not isinstance(new, dict) or set(new) != set(slots):
        wanted = "S, {" + ", ".join(f'"{slot}": ...' for slot in slots) + "}" if slots else "S"
        got = sorted(new) if isinstance(new, dict) else type(new).__name__
        _refuse_result(tracer, hook, f"must return {wanted}, got slots {got}")
    outputs = {"S": _checked(state, hook, "S", tracer)}
    for slot in slots:
        outputs[f"slots.{slot}"] = _checked(new[slot], hook, f"slot {slot}", tracer)
    return outputs


def _checked(value: Any, hook: str, what: str, tracer: Tracer) -> Symbol:
    wanted = OUTPUT_SHAPE[hook]
    if not isinstance(value, Symbol):
        _refuse_result(
            tracer, hook, f"{what} must be a tensor {ops.show_shape(wanted)}, not {_kind(value)}"
        )
    shape = ops.show_shape(value.dims)
    fits = value.rank == 2 and all(
        a == b or (hook == "local" and a in ops.TOKEN_DIMS)
        for a, b in zip(value.dims, wanted, strict=True)
    )
    if not fits:
        got = ("a scalar", "a vector", shape)[value.rank]
        _refuse_result(tracer, hook, f"{what} must have shape {ops.show_shape(wanted)}, got {got}")
    return value.as_float()


def _kind(value: Any) -> str:
    return "None (is a `return` missing?)" if value is None else type(value).__name__


def _refuse_result(tracer: Tracer, hook: str, reason: str) -> NoReturn:
    raise RuleError(f"{hook}: {reason}", check="shapes", file=tracer.file)


def _labels(tracer: Tracer, outputs: dict[str, Symbol]) -> dict[int, str]:
    """Names for nodes, from the assignments of the source: only for people to read."""
    labels = {}
    source = "".join(linecache.getlines(tracer.file))
    for statement in ast.walk(ast.parse(source)) if source else ():
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            lines = range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
            made = [i for i, node in enumerate(tracer.builder.nodes) if node.line in lines]
            if made and tracer.builder.nodes[made[-1]].op not in ("input", "const"):
                labels[made[-1]] = statement.targets[0].id
    for name, symbol in outputs.items():
        if tracer.builder.nodes[symbol.index].op not in ("input", "const"):
            labels.setdefault(symbol.index, name.removeprefix("slots."))
    return labels
