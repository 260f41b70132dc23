"""The job that reads proposed source without running it: the gates "parses" and "names".

Python's parser is not made for hostile text, which is why this too is done in a confined process.
"""

import ast
from typing import Any

from archer.research.gates.names import forbidden
from archer.research.sandbox.child import Send

LONGEST = 20_000  # characters; the longest built-in rule has 1,500


def prepare(data: object) -> None:
    """What the parser imports for the first name that is not ASCII."""
    import unicodedata  # noqa: F401


def work(data: dict[str, Any], send: Send) -> None:
    """One answer per gate: passed, and the reason."""
    tree = _parse(data["source"], data["file"])
    if isinstance(tree, str):
        send({"passed": False, "reason": tree})
        return
    lines = data["source"].count("\n") + 1
    send({"passed": True, "reason": f"{lines} lines of Python"})
    found = forbidden(tree)
    said = f"{data['file']}:{found[0]}: {found[1]}" if found else "only what a rule may use"
    send({"passed": found is None, "reason": said})


def _parse(source: str, file: str) -> ast.Module | str:
    """The syntax tree, or why there is none."""
    if len(source) > LONGEST:
        return f"{len(source)} characters; a rule file has at most {LONGEST}"
    try:
        return ast.parse(source)
    except SyntaxError as error:
        place = f"{file}:{error.lineno}" if error.lineno else file
        return f"{place}: syntax error: {error.msg}"
    except (ValueError, RecursionError, MemoryError) as error:
        return f"{file}: Python cannot parse it: {type(error).__name__}: {error}"
