"""Values of the wrong kind, told in one line instead of the parser's box."""

from collections.abc import Sequence
from typing import Any, Literal, get_args, get_origin

from archer.errors import ArcherError

_CALLED = {int: "a whole number", float: "a number"}


def check_values(flag: str, kind: Any, words: Sequence[str]) -> None:
    """Raises ArcherError where what follows an option is missing or no value of its kind.

    kind: its type; words: what stands between it and the next option, of which an option that takes
    several takes all, or none.
    """
    one, several = _kind(kind)
    if one is bool:
        return
    if not words and not several:
        raise ArcherError(f"{flag} stands without a value")
    for word in words if several else words[:1]:
        _check(flag, one, word)


def _kind(kind: Any) -> tuple[Any, bool]:
    """The kind of one value, None aside, and whether there may be several."""
    inner = [each for each in get_args(kind) if each not in (type(None), ...)]
    if get_origin(kind) is Literal or not inner:
        return kind, False
    one, several = _kind(inner[0])
    return one, several or get_origin(kind) is tuple


def _check(flag: str, kind: Any, word: str) -> None:
    if get_origin(kind) is Literal and word not in get_args(kind):
        raise ArcherError(f"{flag} {word}: use one of {', '.join(get_args(kind))}")
    if kind in _CALLED:
        try:
            kind(word)
        except ValueError:
            raise ArcherError(f"{flag} {word}: {_CALLED[kind]} is needed") from None
