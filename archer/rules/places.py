"""Where things stand in a rule's source: what is said of it; lines of class, names, returns."""

import ast
import inspect
import linecache
import sys
from collections.abc import Iterator

from archer.rules.base import Rule
from archer.rules.ops import HOOKS


def source_file(rule: type[Rule]) -> str:
    """The file of a rule class, as its hooks know it; "" for one without, as `python -c` gives.

    A cell of a notebook has a file too: linecache has its text.
    """
    file = _file(rule)
    linecache.checkcache(file)  # it may have been edited since
    return file


def _file(rule: type[Rule]) -> str:
    for hook in HOOKS:
        code = getattr(vars(rule).get(hook), "__code__", None)
        if code is not None:
            return str(code.co_filename)
    try:
        return inspect.getsourcefile(rule) or ""
    except (OSError, TypeError):
        return ""


def text_of(rule: type[Rule]) -> str:
    """The docstring of its file, or else of its class; "" where there is none.

    A module that is run, or that defines several rules, speaks of more than the one.
    """
    module = sys.modules.get(rule.__module__)
    names = {} if module is None or module.__name__ == "__main__" else vars(module)
    rules = [v for v in names.values() if isinstance(v, type) and v.__module__ == rule.__module__]
    alone = sum(issubclass(value, Rule) for value in rules) == 1
    text = (names.get("__doc__") if alone else None) or vars(rule).get("__doc__")
    return inspect.cleandoc(text) if isinstance(text, str) else ""


def class_line(rule: type[Rule], file: str) -> int | None:
    """The line of `class MyRule(Rule):`."""
    found = _class(rule, file)
    return found.lineno if found else None


def name_line(rule: type[Rule], file: str, name: str, key: object = None) -> int | None:
    """The line that assigns or defines a name in the class; with `key`, the line of that word."""
    for statement in _named(rule, file, name):
        words = (n for n in ast.walk(statement) if isinstance(n, ast.Constant) and n.value == key)
        word = next(words, None) if key is not None else None
        return word.lineno if word else statement.lineno
    return None


def return_line(rule: type[Rule], file: str, hook: str) -> int | None:
    """The line of a hook's last `return`."""
    for statement in _named(rule, file, hook):
        returns = [n.lineno for n in ast.walk(statement) if isinstance(n, ast.Return)]
        return max(returns, default=None)
    return None


def _named(rule: type[Rule], file: str, name: str) -> Iterator[ast.stmt]:
    found = _class(rule, file)
    for statement in found.body if found else []:
        targets: list[ast.expr] = []
        if isinstance(statement, ast.Assign):
            targets = statement.targets
        elif isinstance(statement, ast.AnnAssign):
            targets = [statement.target]
        names = {target.id for target in targets if isinstance(target, ast.Name)}
        if name in names or (isinstance(statement, ast.FunctionDef) and statement.name == name):
            yield statement


def _class(rule: type[Rule], file: str) -> ast.ClassDef | None:
    """The last class of that name in the file, which is the one that counts."""
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except SyntaxError:  # a cell of a notebook may hold more than Python
        return None
    classes = [n for n in ast.walk(tree) if isinstance(n, ast.ClassDef)]
    return next((n for n in reversed(classes) if n.name == rule.__name__), None)
