"""What a database says, in one line for users."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError

from archer.errors import ArcherError, one_line

HINTS = {
    "not a database": "move it away, or name another folder or store",
    "malformed": "move it away, or name another folder or store",
    "disk is full": "nothing stored is lost; free some space and give the same command again",
    "disk I/O": "nothing stored is lost; free some space and give the same command again",
    "readonly": "allow writing there, or name another folder or store",
    "locked": "another process has held it for long; try again",
}


class DamagedError(Exception):
    """A row holds what Archer does not write: `told` says so."""


@contextmanager
def reading_row(what: str) -> Iterator[None]:
    """For whatever makes something of a row. Raises DamagedError where that cannot be.

    A database looks neither at the text that it holds nor, as SQLite, at what a number is.
    what: the row, as in "trial 0123456789abcdef".
    """
    try:
        yield
    except (ArcherError, AttributeError, LookupError, TypeError, ValueError) as error:
        reason = "it lacks " if isinstance(error, KeyError) else ""
        raise DamagedError(f"{what}: {reason}{one_line(error, named=False)}") from error


@contextmanager
def told(where: str) -> Iterator[None]:
    """Database errors and damaged rows inside become ArcherError; what only a bug can cause
    passes."""
    try:
        yield
    except DamagedError as error:
        raise ArcherError(
            f"{where} is damaged ({error}): mend it, or move it away to begin anew"
        ) from error
    except DBAPIError as error:
        if isinstance(error, IntegrityError):
            raise
        lines = str(error.orig).splitlines() or [type(error.orig).__name__]
        hint = next((hint for word, hint in HINTS.items() if word in lines[0]), None)
        hint = hint or "check the address, and that the database can be reached and written"
        raise ArcherError(f"cannot use the store {where}: {lines[0].strip()}; {hint}") from error
