"""The gate "names": what a rule file may import and mention, seen in its syntax alone.

A first line of defence, which makes for clear answers to honest mistakes; what holds against
hostile code is the sandbox.
"""

import ast
import builtins
import dataclasses
import math
import typing
from collections.abc import Iterator

from archer.rules.functions import ALLOWED

_ARCHER = frozenset({"Knob", "Rule", "Signal", "causal_mask", "causal_softmax"})
_FUNCTIONAL = frozenset(ALLOWED)
_TORCH = _FUNCTIONAL | {"Tensor", "e", "float32", "float64", "inf", "pi", "tensor"}
# What each module may be asked for.
MODULES: dict[str, frozenset[str]] = {
    "__future__": frozenset({"annotations"}),
    "archer": _ARCHER,
    "archer.rules.base": frozenset({"Knob", "Rule", "Signal"}),  # as the built-in rules have it
    "archer.rules.hooks": frozenset({"causal_mask", "causal_softmax"}),
    "dataclasses": frozenset(dataclasses.__all__),
    "math": frozenset(name for name in vars(math) if not name.startswith("_")),
    "torch": _TORCH | {"nn", "linalg", "special"},
    "torch.linalg": _FUNCTIONAL,
    "torch.nn": frozenset({"functional"}),
    "torch.nn.functional": _FUNCTIONAL,
    "torch.special": _FUNCTIONAL,
    "typing": frozenset(typing.__all__),
}
_PLAIN = """
    False None True NotImplemented abs all any bool classmethod dict divmod enumerate filter float
    frozenset int isinstance len list map max min pow property range repr reversed round set slice
    sorted staticmethod str sum super tuple zip ArithmeticError AssertionError Exception
    NotImplementedError OverflowError RuntimeError TypeError ValueError ZeroDivisionError
"""
_BUILTINS = frozenset(_PLAIN.split())
_OWN = frozenset({"__all__", "__doc__", "__name__"})

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

Problem = tuple[int, str]  # line, what is wrong


def forbidden(tree: ast.Module) -> Problem | None:
    """The first thing in a rule file that it may not use, if any."""
    return min(_problems(tree), default=None)


def _problems(tree: ast.Module) -> Iterator[Problem]:
    modules: dict[str, str] = {}  # by the name it has in the file
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from _imported(node, modules)
    attributes = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield from _attribute(node, modules)
        elif isinstance(node, ast.Name):
            yield from _name(node, modules, id(node) in attributes)
        elif isinstance(node, _DEFINITIONS) and node.name.startswith("__"):
            yield node.lineno, f"{node.name}: a rule defines its hooks and helpers only"


def _imported(node: ast.Import | ast.ImportFrom, modules: dict[str, str]) -> Iterator[Problem]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            if alias.name not in MODULES:
                yield node.lineno, _no_import(alias.name)
            name = alias.asname or alias.name.partition(".")[0]
            modules[name] = alias.name if alias.asname else name
        return
    source = "." * node.level + (node.module or "")
    for alias in node.names:
        if source not in MODULES:
            yield node.lineno, _no_import(source)
        elif alias.name not in MODULES[source]:
            yield node.lineno, _no_member(source, alias.name)
        elif f"{source}.{alias.name}" in MODULES:
            modules[alias.asname or alias.name] = f"{source}.{alias.name}"


def _attribute(node: ast.Attribute, modules: dict[str, str]) -> Iterator[Problem]:
    own = isinstance(node.value, ast.Name) and node.value.id == "self"
    if node.attr.startswith("__" if own else "_"):
        yield node.lineno, f".{node.attr} is not a rule's to use"
    module = _module(node.value, modules)
    if module in MODULES and node.attr not in MODULES[module]:
        yield node.lineno, _no_member(module, node.attr)


def _module(node: ast.expr, modules: dict[str, str]) -> str:
    """The module that an expression such as `torch.nn` stands for, or ""."""
    if isinstance(node, ast.Name):
        return modules.get(node.id, "")
    if isinstance(node, ast.Attribute):
        outer = _module(node.value, modules)
        return f"{outer}.{node.attr}" if f"{outer}.{node.attr}" in MODULES else ""
    return ""


def _name(node: ast.Name, modules: dict[str, str], of_attribute: bool) -> Iterator[Problem]:
    name = node.id
    if name in modules and not of_attribute:
        yield node.lineno, f"{name}: a module may only be asked for its functions, as {name}.exp"
    elif (name.startswith("__") or hasattr(builtins, name)) and name not in _BUILTINS | _OWN:
        yield node.lineno, f"{name} is not a rule's to use"


def _no_import(module: str) -> str:
    return f"import of {module}: a rule may import {', '.join(sorted(MODULES))}"


def _no_member(module: str, name: str) -> str:
    return f"{module}.{name}: a rule may use of it {', '.join(sorted(MODULES[module]))}"
