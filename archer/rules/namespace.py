"""`p` and `slots` of a hook that is being traced: names that the rule declares, and no others."""

import difflib
from typing import NoReturn

from archer.rules.symbol import Symbol
from archer.rules.tracer import Tracer


class Namespace:
    """`p` or `slots`: attributes only, unknown ones refused with the nearest name."""

    _tracer: Tracer
    _what: str
    _values: dict[str, Symbol]

    def __init__(self, tracer: Tracer, what: str, values: dict[str, Symbol]) -> None:
        self.__dict__.update(_tracer=tracer, _what=what, _values=values)

    def __getattr__(self, name: str) -> Symbol:
        if name in self._values:
            value: Symbol = self._values[name]
            return value
        near = difflib.get_close_matches(name, self._values, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        self._tracer.refuse(
            f"{self._what}.{name} is not declared (there is: {', '.join(self._values) or 'none'})"
            + hint,
            "names",
        )

    def __getitem__(self, name: object) -> NoReturn:
        self._tracer.refuse(f"write {self._what}.{name} instead of {self._what}[{name!r}]", "names")

    def __setattr__(self, name: str, value: object) -> NoReturn:
        self._tracer.refuse(f"{self._what}.{name} cannot be assigned to", "operations")
