"""What a rule class declares, as far as no graph is needed: learned knobs, expectations, hooks."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from types import CodeType, FunctionType
from typing import NoReturn

from archer.errors import ArcherError
from archer.mad.settings import TASKS
from archer.model.knobs import to_logit
from archer.rules.base import EXPECTATIONS, Knob, Rule, RuleError, check_expects
from archer.rules.graph import HOOKS, KnobSpec, RuleGraph
from archer.rules.load import BUILTIN, builtin_graph
from archer.rules.peer import is_peer
from archer.rules.places import class_line, name_line, source_file


def check_learned(rule: type[Rule]) -> None:
    """Raises RuleError for a learned knob that starts on a bound, where no gradient flows."""
    for name, knob in rule.declared(Knob).items():
        low, start, high = float(knob.low), float(knob.default), float(knob.high)
        try:
            if knob.learn:
                to_logit(KnobSpec(name, start, low, high, log=knob.log), start)
        except ArcherError as error:
            _refuse(rule, "knobs", str(error), name)


def check_expectations(rule: type[Rule]) -> None:
    """Raises RuleError unless `expects` says one of the words of known tasks."""
    expects: object = rule.expects
    for task, word in expects.items() if isinstance(expects, Mapping) else ():
        if task not in TASKS:
            near = _near(str(task).replace("_", "-").lower(), TASKS, 0.5)
            hint = f"did you mean {near}? " if near else ""
            reason = f"expects: unknown task {task!r}: {hint}the tasks are {', '.join(TASKS)}"
            _refuse(rule, "expectations", reason, "expects", task)
        if word not in EXPECTATIONS:
            reason = f'expects: {task} is {word!r}; write "up", "down" or "same"'
            _refuse(rule, "expectations", reason, "expects", task)
    try:
        check_expects(expects)
    except RuleError as error:
        _refuse(rule, "expectations", error.reason, "expects")


def check_hooks(rule: type[Rule]) -> None:
    """Raises RuleError for a method that no one calls and whose name is nearly a hook's.

    Helpers are free to have any name: one that another method names is a helper, and so is one
    beside the hook of that name.
    """
    methods = dict(_methods(rule))
    called = {name for code in methods.values() for name in _names(code)}
    missing = [hook for hook in HOOKS if hook not in methods]
    for name in methods:
        helper = name in HOOKS or name in called or name.startswith("_")
        near = None if helper else _near(name.lower(), missing, 0.7)
        if near:
            _refuse(rule, "names", f"{name} is no hook; did you mean {near}?", name)


def check_name(rule: type[Rule], graph: RuleGraph) -> None:
    """Raises RuleError for a name under which a table would show something else."""
    name = graph.name
    hidden = name in BUILTIN and graph.rule_hash != builtin_graph(name).rule_hash
    what = "built-in rule" if hidden else "peer" if is_peer(name) else None
    if what:
        reason = f"a rule of your own is named like the {what} {name}: rename its class"
        file = source_file(rule)
        raise RuleError(reason, check="names", line=class_line(rule, file), file=file)


def _methods(rule: type[Rule]) -> Iterator[tuple[str, CodeType]]:
    """Methods that the author wrote, by name."""
    own = rule.__mro__[: rule.__mro__.index(Rule)]
    for base in reversed(own):
        for name, value in vars(base).items():
            function = getattr(value, "__func__", value)  # of a staticmethod or classmethod
            if isinstance(function, FunctionType):
                yield name, function.__code__


def _names(code: CodeType) -> set[str]:
    """Names that a function mentions, also in functions inside it."""
    inner = [_names(constant) for constant in code.co_consts if isinstance(constant, CodeType)]
    return set(code.co_names).union(*inner)


def _near(name: str, known: Sequence[str], cutoff: float) -> str | None:
    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=cutoff)), None)


def _refuse(rule: type[Rule], check: str, reason: str, name: str, key: object = None) -> NoReturn:
    """Points at the line that defines a name in the class, or at the word `key` there."""
    file = source_file(rule)
    line = name_line(rule, file, name, key)
    raise RuleError(reason, check=check, line=line, file=file)
