"""From a rule class to its graph: every hook is run once on symbols."""

import ast
import inspect
import linecache
import re
from collections.abc import Callable
from typing import Any, NoReturn

from archer.rules import functions, ops
from archer.rules.base import Knob, Rule, RuleError, Signal, check_expects
from archer.rules.graph import HOOKS, Graph, KnobSpec, RuleGraph, SignalSpec
from archer.rules.namespace import Namespace
from archer.rules.places import return_line, source_file, text_of
from archer.rules.symbol import Symbol
from archer.rules.tracer import Tracer
from archer.rules.validate import MAX_CHUNK_SIZE, name_problem


def trace(rule: type[Rule]) -> RuleGraph:
    """The graph of a rule class.

    Raises RuleError, with the line, for an operation outside the allow-list, a wrong shape, an
    undeclared name, or a hook that fails.
    """
    file = source_file(rule)
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
        expects=check_expects(rule.expects, file),
        about=text_of(rule),
        **graphs,
    )
    _check_all_used(graph, file)
    return graph


def _check_names(
    rule: type[Rule], knobs: dict[str, Knob], signals: dict[str, Signal], file: str
) -> None:
    slots: object = rule.slots
    if not isinstance(slots, tuple) or not all(isinstance(slot, str) for slot in slots):
        _refuse_name(file, "slots", 'slots must be a tuple of names, as in ("m",)')
    size: object = rule.chunk_size
    if type(size) is not int or not 1 <= size <= MAX_CHUNK_SIZE:
        wanted = f"chunk_size must be an integer from 1 to {MAX_CHUNK_SIZE}"
        _refuse_name(file, "chunk_size", wanted)
    problem = name_problem([*knobs, *signals, *rule.slots], rule.slots)
    if problem:
        _refuse_name(file, *problem)
    decays = [name for name, signal in signals.items() if signal.activation == "log_decay"]
    if len(decays) > 1:
        _refuse_name(file, decays[1], "a rule has at most one log_decay signal")


def _refuse_name(file: str, name: str, reason: str) -> NoReturn:
    """Points at the line `name = ...`, if there is one."""
    assignment = re.compile(rf"\s+{re.escape(name)}\b[^=]*=")
    lines = enumerate(linecache.getlines(file), start=1)
    slots = re.compile(rf"\s+slots\b.*=.*[\"']{re.escape(name)}[\"']")
    line = next((n for n, text in lines if assignment.match(text) or slots.match(text)), None)
    raise RuleError(reason, check="names", line=line, file=file)


def _check_all_used(graph: RuleGraph, file: str) -> None:
    read = frozenset().union(*(graph.hook(hook).inputs for hook in HOOKS))
    unused = [k.name for k in graph.knobs if f"knob.{k.name}" not in read]
    unused += [
        s.name for s in graph.signals if f"signal.{s.name}" not in read and s.name != graph.decay
    ]
    if unused:
        listed = ", ".join(unused)
        reason = f"{listed}: declared but no hook reads it; use it or remove it"
        _refuse_name(file, unused[0], reason)


def _trace_hook(
    rule: type[Rule], hook: str, knobs: dict[str, Knob], signals: dict[str, Signal], file: str
) -> Graph:
    tracer = Tracer(file, hook, functions)
    arguments = [_input(tracer, name, shape, 2) for name, shape in ops.HOOK_INPUTS[hook].items()]
    scalars = {name: _input(tracer, f"knob.{name}", ("1", "1"), 0) for name in knobs}
    vectors = {name: _input(tracer, f"signal.{name}", ("1", "token"), 1) for name in signals}
    step = {"step": _input(tracer, "step", ("1", "1"), 0)}
    p = Namespace(tracer, "p", scalars | vectors | step)
    if hook == "write":
        shape = ("d_k", "d_v")
        slots = {slot: _input(tracer, f"slots.{slot}", shape, 2) for slot in rule.slots}
        arguments.append(Namespace(tracer, "slots", slots))  # type: ignore[arg-type]
    code = getattr(getattr(rule, hook), "__code__", None)
    line = code.co_firstlineno if code and code.co_filename == file else None
    result = _run(rule, hook, [*arguments, p], tracer, line)
    place = return_line(rule, file, hook) or line
    outputs = _outputs(result, hook, rule.slots, tracer, place)
    labels = _labels(tracer, outputs)
    return tracer.builder.finish({n: s.index for n, s in outputs.items()}, labels)


def _input(tracer: Tracer, name: str, shape: ops.Shape, rank: int) -> Symbol:
    """A named input of the hook."""
    return Symbol(tracer, tracer.builder.add("input", attr=name, shape=shape), rank)


def _run(
    rule: type[Rule], hook: str, arguments: list[Any], tracer: Tracer, line: int | None
) -> Any:
    try:
        return getattr(rule(), hook)(*arguments)
    except RuleError:
        raise
    except (Exception, SystemExit) as error:
        trace_back, hint = error.__traceback__, ""
        if isinstance(error, TypeError) and trace_back and not trace_back.tb_next:  # the call's own
            names = ", ".join(inspect.signature(getattr(Rule, hook)).parameters)
            hint = f"; it is called as {hook}({names})"
        while trace_back is not None:
            if trace_back.tb_frame.f_code.co_filename == tracer.file:
                line = trace_back.tb_lineno
            trace_back = trace_back.tb_next
        said = f"{str(error).splitlines()[0] if str(error) else ''}{hint}"
        message = f"{hook}: {type(error).__name__}: {said}"
        raise RuleError(message, check="hooks run", line=line, file=tracer.file) from error


def _outputs(
    result: Any, hook: str, slots: tuple[str, ...], tracer: Tracer, line: int | None
) -> dict[str, Symbol]:
    """The hook's results by name. Refuses any other number or shape, at the hook's `return`."""

    def refuse(reason: str) -> NoReturn:
        raise RuleError(f"{hook}: {reason}", check="shapes", line=line, file=tracer.file)

    if hook != "write":
        return {next(iter(ops.HOOK_INPUTS[hook])): _checked(result, hook, "the result", refuse)}
    state, new = result if isinstance(result, tuple) and len(result) == 2 else (result, {})
    if not isinstance(new, dict) or set(new) != set(slots):
        wanted = "S, {" + ", ".join(f'"{slot}": ...' for slot in slots) + "}" if slots else "S"
        got = sorted(map(str, new)) if isinstance(new, dict) else type(new).__name__
        refuse(f"must return {wanted}, got slots {got}")
    outputs = {"S": _checked(state, hook, "S", refuse)}
    for slot in slots:
        outputs[f"slots.{slot}"] = _checked(new[slot], hook, f"slot {slot}", refuse)
    return outputs


def _checked(value: Any, hook: str, what: str, refuse: Callable[[str], NoReturn]) -> Symbol:
    wanted = ops.show_shape(ops.OUTPUT_SHAPE[hook])
    if not isinstance(value, Symbol):
        refuse(f"{what} must be a tensor {wanted}, not {_kind(value)}")
    if value.rank != 2 or not ops.fits_output(hook, value.dims):
        got = ("a scalar", "a vector", ops.show_shape(value.dims))[value.rank]
        refuse(f"{what} must have shape {wanted}, got {got}")
    return value.as_float()


def _kind(value: Any) -> str:
    return "None (is a `return` missing?)" if value is None else type(value).__name__


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
