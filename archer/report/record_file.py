"""Reads a file of a record, of whatever kind; a damaged one costs one clear line."""

import json
from pathlib import Path
from typing import Any

from archer.errors import ArcherError


def read_json(path: Path) -> dict[str, Any]:
    """An object. Raises ArcherError for a file that is missing or damaged."""
    try:
        found = json.loads(read_text(path))
    except ValueError:
        raise ArcherError(f"{path} is not JSON: the record is damaged") from None
    if not isinstance(found, dict):
        raise ArcherError(f"{path} is not what a record holds there: the record is damaged")
    return found


def read_text(path: Path) -> str:
    """Raises ArcherError for a file that is missing or cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ArcherError(f"{path.parent} holds no {path.name}: it is no whole record") from None
    except (OSError, UnicodeDecodeError):
        raise ArcherError(f"{path} cannot be read: the record is damaged") from None
