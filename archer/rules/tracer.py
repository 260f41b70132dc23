"""One hook being traced: its graph so far, and refusals that point at the author's line."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn, Protocol

from archer.rules.base import RuleError
from archer.rules.builder import Builder


class Functions(Protocol):
    """What torch's functions and methods do to symbols (`archer.rules.functions`)."""

    def call(self, symbol: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The function of that name, called with `symbol` among its arguments."""

    def method(self, symbol: Any, name: str) -> Callable[..., Any]:
        """The symbol's bound method of that name."""


class Tracer:
    """One hook being traced: its builder, and the file whose lines errors should point at."""

    def __init__(self, file: str, hook: str, functions: Functions) -> None:
        self.builder, self.file, self.hook, self.functions = Builder(), file, hook, functions

    def line(self) -> int | None:
        """The line of the rule's own file that is running now."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None:
            if frame.f_code.co_filename == self.file:
                return frame.f_lineno
            frame = frame.f_back
        return None

    def refuse(self, reason: str, check: str) -> NoReturn:
        raise RuleError(f"{self.hook}: {reason}", check=check, line=self.line(), file=self.file)
