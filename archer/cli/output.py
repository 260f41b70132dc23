"""Standard output, and what happens when it takes no more."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import Any, TextIO, cast


class UnwritableError(Exception):
    """Standard output cannot be written; says why."""


class _Output:
    """A stream whose own errors are told apart from those of every other file."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with _told():
            return self._stream.write(text)

    def flush(self) -> None:
        with _told():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UnwritableError(error.strerror or str(error)) from error


@contextmanager
def printing() -> Iterator[None]:
    """Ends a command that cannot print: with one line and 2, or where its reader has left
    (`archer rules | head`) in silence and with 1."""
    if sys.stdout is None:  # closed before the start: nothing is printed
        yield
        return
    try:
        with redirect_stdout(cast(TextIO, _Output(sys.stdout))):
            try:
                yield
            except SystemExit:  # before the interpreter does, which could only show a traceback
                sys.stdout.flush()
                raise
    except BrokenPipeError:
        _let_go()
        sys.exit(1)
    except UnwritableError as error:
        _let_go()
        print(f"error: cannot write to standard output: {error}", file=sys.stderr)
        sys.exit(2)


def _let_go() -> None:
    """What is left to print goes nowhere, or the interpreter would try it again as it ends."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
