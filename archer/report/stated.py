"""expects.json: what the rules of a result folder expect, as their authors stated it."""

import json
from collections.abc import Mapping
from pathlib import Path

from archer.errors import ArcherError
from archer.rules.base import EXPECTATIONS

FILE = "expects.json"
Expects = Mapping[str, Mapping[str, str]]  # by rule and task: "up", "down" or "same"


def expects_text(expects: Expects) -> str:
    """What expects.json holds, for `read_expects`."""
    return json.dumps(expects, indent=1) + "\n"


def read_expects(folder: Path) -> dict[str, dict[str, str]]:
    """Expectations by rule and task of a result folder, where it states some.

    Raises ArcherError when the file is not as `expects_text` writes it.
    """
    path = folder / FILE
    if not path.is_file():
        return {}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        good = all(word in EXPECTATIONS for said in data.values() for word in said.values())
    except (OSError, ValueError, AttributeError):
        good = False
    if not good:
        raise ArcherError(f'{path} must read {{"rule": {{"memorization": "up"}}}}')
    return {str(rule): dict(said) for rule, said in data.items()}
