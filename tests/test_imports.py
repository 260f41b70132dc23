"""Imports go one way, those inside functions too; only those for annotations are free."""

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[1]
ORDER = (
    *("errors", "files", "rules", "memory", "model", "export", "train", "mad", "check", "engine"),
    *("store", "stats", "report", "weights", "record", "benchmark", "sweeps", "lengths"),
    *("research", "cli"),
)


def _imports(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """Every import that can run: not what stands under `if TYPE_CHECKING`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            yield from _imports(node)


def _names(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    assert node.level == 0, "imports are absolute"
    return [f"{node.module}.{alias.name}" for alias in node.names]


@cache
def _graph() -> dict[str, set[str]]:
    """Modules that each module of the package imports."""
    files = sorted((ROOT / "archer").rglob("*.py"))
    names = {f: ".".join(f.relative_to(ROOT).with_suffix("").parts) for f in files}
    modules = {file: name.removesuffix(".__init__") for file, name in names.items()}
    known = set(modules.values())
    graph: dict[str, set[str]] = {name: set() for name in known}
    for file, module in modules.items():
        for node in _imports(ast.parse(file.read_text())):
            for name in _names(node):
                found = name if name in known else name.rpartition(".")[0]
                if found in known and found not in (module, "archer"):
                    graph[module].add(found)
    return graph


def _place(module: str) -> int:
    return ORDER.index(module.split(".")[1])


def test_every_package_has_its_place() -> None:
    assert {module.split(".")[1] for module in _graph() if module != "archer"} == set(ORDER)


def test_nothing_imports_what_stands_after_it() -> None:
    back = [
        f"{module} imports {other}"
        for module in sorted(_graph().keys() - {"archer"})
        for other in sorted(_graph()[module])
        if _place(other) > _place(module)
    ]
    assert back == []


def test_no_cycles_not_even_hidden_in_functions() -> None:
    try:
        list(TopologicalSorter(_graph()).static_order())
    except CycleError as error:
        raise AssertionError(" -> ".join(reversed(error.args[1]))) from None
