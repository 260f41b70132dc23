"""What a part of an evolved rule is: a kind out of the catalogue, and the kind's numbers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Range:
    """A number of a kind: the values evolution picks from, and the bounds while it is learned."""

    name: str
    levels: tuple[float, ...]
    low: float
    high: float
    log: bool = False
    learnable: bool = True


@dataclass(frozen=True)
class Line:
    """One equation and the statement that computes it; {x} is the input, {mu} the number mu.

    In equations {X} is the input's symbol and numbers stand under their own names.
    """

    equation: str
    code: str


@dataclass(frozen=True)
class Kind:
    """A way to fill one place of a rule.

    noun: its word in the name of a rule. phrase: what it does, for a sentence. result: the
    expression it hands on. symbol: the same in equations. gain: by how much at most it multiplies
    the size of a write, in the long run.
    """

    name: str
    noun: str = ""
    phrase: str = ""
    ranges: tuple[Range, ...] = ()
    slots: tuple[str, ...] = ()
    signals: tuple[tuple[str, str], ...] = ()
    lines: tuple[Line, ...] = ()
    result: str = "{x}"
    symbol: str = "{X}"
    gain: float = 1.0

    def range(self, name: str) -> Range:
        """The number of that name. Raises KeyError."""
        return {r.name: r for r in self.ranges}[name]


@dataclass(frozen=True)
class Number:
    """A number's value: fixed, or learned from there."""

    value: float
    learn: bool = False


@dataclass(frozen=True)
class Part:
    """A kind with a value for each of its numbers, in the kind's order."""

    kind: Kind
    numbers: tuple[Number, ...] = ()

    def named(self) -> dict[str, Number]:
        """Numbers by name."""
        return dict(zip((r.name for r in self.kind.ranges), self.numbers, strict=True))

    @property
    def names(self) -> set[str]:
        """Every name it brings into a rule: numbers, slots, signals."""
        own = {r.name for r in self.kind.ranges} | set(self.kind.slots)
        return own | {name for name, _ in self.kind.signals}


def root_mean_square(x: str, rows: bool = False) -> str:
    """Source of the root mean square of x, or of each row of x; never zero, so it can divide."""
    return f"torch.sqrt(({x} * {x}).mean({'-1, keepdim=True' if rows else ''}) + 1e-6)"
