"""What a database says, in one line for users."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, IntegrityError

from archer.errors import ArcherError

HINTS = {
    "not a database": "move it away, or name another folder or store",
    "malformed": "move it away, or name another folder or store",
    "disk is full": "nothing stored is lost; free some space and give the same command again",
    "disk I/O": "nothing stored is lost; free some space and give the same command again",
    "readonly": "allow writing there, or name another folder or store",
    "locked": "another process has held it for long; try again",
}


@contextmanager
def told(where: str) -> Iterator[None]:
    """Database errors inside become ArcherError; those that only a bug can cause pass.

    So does JSON that cannot be read: a database does not look at the text that it holds.
    """
    try:
        yield
    except json.JSONDecodeError as error:
        raise ArcherError(
            f"{where} is damaged (what is written there is not JSON): move it away to begin anew"
        ) from error
    except DBAPIError as error:
        if isinstance(error, IntegrityError):
            raise
        lines = str(error.orig).splitlines() or [type(error.orig).__name__]
        hint = next((hint for word, hint in HINTS.items() if word in lines[0]), None)
        hint = hint or "check the address, and that the database can be reached and written"
        raise ArcherError(f"cannot use the store {where}: {lines[0].strip()}; {hint}") from error
