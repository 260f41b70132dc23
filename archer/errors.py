"""The one exception a user is meant to read."""

from textwrap import shorten

LONGEST = 240  # characters of a message; a GPU out of memory names every process there is


class ArcherError(Exception):
    """A mistake in what the user asked for: one clear line that names the mistake and the fix.

    The command line prints it and leaves with exit code 2; the Python API lets it through.
    """


def one_line(error: BaseException, *, named: bool = True) -> str:
    """The first line of an error's message, cut short, after its type; whole if it is for users.

    named: with its type.
    """
    lines = str(error).splitlines() or [""]
    if isinstance(error, ArcherError):
        return lines[0]
    first = shorten(lines[0], LONGEST, placeholder=" ...")
    if not first:
        return type(error).__name__
    return f"{type(error).__name__}: {first}" if named else first
