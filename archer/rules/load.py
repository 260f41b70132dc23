"""Rules by name or by file: the built-in eight and a user's own."""

import difflib
import importlib
import inspect
import sys
import traceback
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from archer.errors import ArcherError, one_line
from archer.rules.base import Rule, RuleError
from archer.rules.graph import RuleGraph
from archer.rules.peer import ATTENTION, is_peer

BUILTIN = (
    "delta",
    "decay",
    "error_gated",
    "momentum",
    "softmax_attention",
    "adam",
    "adam_softmax",
    "gated_delta",
)

ROW_NAMES = {
    "delta": "delta_net_4layer",
    "decay": "delta_net_4layer_decay_state_update_in_for_loop",
    "error_gated": "delta_net_4layer_error_gated_state_update_in_for_loop",
    "momentum": "delta_net_4layer_momentum_state_update_in_for_loop",
    "softmax_attention": "delta_net_4layer_softmax_attention_in_for_loop",
    "adam": "delta_net_4layer_adam_state_update_in_for_loop",
    "adam_softmax": "delta_net_4layer_adam_softmax_in_for_loop",
    "gated_delta": "gated_delta_net_4layer",
}


def row_name(rule: str) -> str:
    """Name of a rule's row in result tables: the published one for built-in rules."""
    return ROW_NAMES.get(rule, rule)


def load_rule(reference: str) -> type[Rule]:
    """The rule class for a built-in name or the path of a rule file.

    Raises ArcherError for an unknown name (with the nearest one) and RuleError for a bad file.
    """
    if reference in BUILTIN:
        module = importlib.import_module(f"archer.rules.{reference}")
        return only_rule(module.__name__, vars(module), str(module.__file__))
    if reference.endswith(".py") or "/" in reference:
        return load_file(Path(reference))
    if is_peer(reference):
        raise ArcherError(
            f"{reference} is a peer of the rules, a layer without hooks: it can be benchmarked, "
            "but there is no rule to read"
        )
    if Path(reference).is_dir():
        raise ArcherError(f"{reference} is a folder: name a rule file in it")
    near = difflib.get_close_matches(reference, (*BUILTIN, ATTENTION), n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise ArcherError(
        f"unknown rule {reference!r}: {hint}Built-in rules: {', '.join(BUILTIN)}; "
        "a rule of your own is given as the path of its .py file"
    )


def load_file(path: Path) -> type[Rule]:
    """The one rule class that a Python file defines. Raises RuleError."""
    if path.is_dir():
        raise RuleError(f"{path} is a folder: name a rule file in it", check="imports")
    if not path.is_file():
        raise RuleError(f"{path}: no such rule file", check="imports")
    if path.suffix != ".py":
        raise RuleError(f"{path}: not a Python file (its name must end in .py)", check="imports")
    module = ModuleType(f"archer_rule_{path.stem}_{abs(hash(path.resolve()))}")
    module.__file__ = str(path.resolve())
    sys.modules[module.__name__] = module
    try:
        # compiled here, since Python's cache misses a change within one second
        exec(compile(path.read_bytes(), module.__file__, "exec", dont_inherit=True), vars(module))
    except SyntaxError as error:
        line = error.lineno
        message = f"syntax error: {error.msg}"
        raise RuleError(message, check="imports", line=line, file=str(path)) from error
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        line = next((f.lineno for f in reversed(frames) if f.filename == module.__file__), None)
        reason = one_line(error)
        message = reason if isinstance(error, ArcherError) else f"does not import: {reason}"
        raise RuleError(message, check="imports", line=line, file=str(path)) from error
    return only_rule(module.__name__, vars(module), str(path))


def only_rule(module: str, names: dict[str, object], file: str) -> type[Rule]:
    """The one Rule subclass defined in a module. Raises RuleError."""
    found = [
        value
        for value in names.values()
        if inspect.isclass(value) and issubclass(value, Rule) and value.__module__ == module
    ]
    if not found:
        raise RuleError(
            "defines no rule: write one class that inherits from archer.Rule",
            check="one rule",
            file=file,
        )
    if len(found) > 1:
        listed = ", ".join(rule.__name__ for rule in found)
        raise RuleError(
            f"defines {len(found)} rules ({listed}); keep one rule per file",
            check="one rule",
            line=inspect.getsourcelines(found[1])[1],
            file=file,
        )
    return found[0]


@lru_cache(maxsize=64)
def builtin_graph(name: str) -> RuleGraph:
    """Graph of a built-in rule."""
    from archer.rules.trace import trace

    return trace(load_rule(name))


def load_graph(reference: str) -> RuleGraph:
    """The traced rule for a built-in name or the path of a rule file. Raises ArcherError."""
    from archer.rules.trace import trace

    return builtin_graph(reference) if reference in BUILTIN else trace(load_rule(reference))
