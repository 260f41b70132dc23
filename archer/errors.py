"""The one exception a user is meant to read."""


class ArcherError(Exception):
    """A mistake in what the user asked for: one clear line that names the mistake and the fix.

    The command line prints it and leaves with exit code 2; the Python API lets it through.
    """


def one_line(error: BaseException) -> str:
    """The first line of an error's message, after its type unless it is meant for users."""
    lines = str(error).splitlines() or [""]
    if isinstance(error, ArcherError):
        return lines[0]
    return f"{type(error).__name__}: {lines[0]}" if lines[0] else type(error).__name__
