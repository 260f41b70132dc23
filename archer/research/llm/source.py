"""What a rule's source says of itself, read and never run."""

import ast
import warnings
from dataclasses import dataclass

from archer.rules.base import snake_case

MOST_CHARACTERS = 20_000  # a rule takes about 1,000; also bounds what the parser must bear


class SourceError(Exception):
    """Source that is no rule file, in one line."""


@dataclass(frozen=True)
class Outline:
    """Of a rule file: the rule's name in snake_case and its knobs, in order."""

    name: str
    knobs: tuple[str, ...]


def outline(source: str) -> Outline:
    """Read a rule file with `ast` alone.

    Raises SourceError if it is too long, does not parse, or does not define exactly one class,
    which inherits from Rule.
    """
    if len(source) > MOST_CHARACTERS:
        raise SourceError(f"{len(source):,} characters are more than {MOST_CHARACTERS:,}")
    classes = [node for node in ast.walk(_parse(source)) if isinstance(node, ast.ClassDef)]
    if len(classes) != 1:
        raise SourceError(f"defines {len(classes)} classes; define one, the rule")
    rule = classes[0]
    if not any(_last_name(base) == "Rule" for base in rule.bases):
        raise SourceError(f"class {rule.name} does not inherit from Rule")
    return Outline(snake_case(rule.name), tuple(_knobs(rule)))


def without_fence(source: str) -> str:
    """The source without the ``` lines that models like to put around it."""
    lines = source.strip().splitlines()
    if lines and lines[0].startswith("```"):
        lines = lines[1:-1] if lines[-1].strip() == "```" else lines[1:]
    return "\n".join(lines).strip() + "\n"


def _parse(source: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(source)
    except SyntaxError as error:
        place = f"line {error.lineno}: " if error.lineno else ""
        raise SourceError(f"does not parse: {place}{error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise SourceError("does not parse: not text, or nested too deeply") from error


def _knobs(rule: ast.ClassDef) -> list[str]:
    names = []
    for node in rule.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if isinstance(value, ast.Call) and _last_name(value.func) == "Knob":
            names += [target.id for target in targets if isinstance(target, ast.Name)]
    return names


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
