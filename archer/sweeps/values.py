"""What a sweep varies: knobs of one rule and its chunk size, read from what the user wrote."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from archer.errors import ArcherError
from archer.mad.plan import Knobs
from archer.mad.trial import unsigned
from archer.rules.graph import KnobSpec
from archer.rules.peer import Contender
from archer.rules.validate import MAX_CHUNK_SIZE

CHUNK_SIZE = "chunk_size"
LEARNED = "learned"
D_K, ROOT = "d_k", "sqrt(d_k)"  # numbers that the size of a head gives
Value = float | str  # a number, or LEARNED


@dataclass(frozen=True)
class Swept:
    """A knob ("momentum.mu") or the chunk size, and its values, or the interval to search in.

    default: its value where nothing is said. log: between low and high by the logarithm.
    """

    name: str
    default: Value
    values: tuple[Value, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False

    @property
    def short(self) -> str:
        """Without the rule."""
        return self.name.rpartition(".")[2]


def read_swept(
    rule: Contender,
    set: Sequence[str],
    learn: Sequence[str] = (),
    chunk_sizes: Sequence[int] = (),
    default_chunk: int | None = None,
    *,
    search: bool = False,
    head_size: int = 128,
) -> tuple[Swept, ...]:
    """Everything a sweep of a rule varies.

    set: as in "momentum.mu=0.7,0.8,learned" or "adam.lr=0.5:1.5:5"; in a search also "low:high",
    an interval. learn: knobs to train at every point; one that is not in `set` has that only.
    head_size: what "d_k" stands for as a value.
    Raises ArcherError for an unknown knob, a value out of bounds, an empty range or nothing.
    """
    found = [_read(_sized(text, head_size), rule, search, learn) for text in set]
    named = [swept.name for swept in found]
    Knobs(learn=tuple(learn)).check([rule])
    found += [
        Swept(name, _default(_spec(name, rule)), (LEARNED,))
        for name in dict.fromkeys(learn)
        if name not in named
    ]
    if chunk_sizes:
        sizes = tuple(dict.fromkeys(_chunk_size(size) for size in chunk_sizes))
        found.append(Swept(CHUNK_SIZE, default_chunk or rule.chunk_size, sizes))
    if twice := sorted({name for name in named if named.count(name) > 1}):
        raise ArcherError(f"--set {twice[0]} is given twice: list all its values in one")
    for swept in found:
        _check_apart(swept)
    if not found:
        raise ArcherError(
            f"nothing to sweep: give --set {rule.name}.KNOB=VALUES, --learn or --chunk-size; "
            f"`archer rules` lists knobs"
        )
    return tuple(found)


def _sized(text: str, head_size: int) -> str:
    """With six digits for the words d_k and sqrt(d_k)."""
    name, equals, given = text.partition("=")
    numbers = {D_K: f"{head_size}", ROOT: f"{head_size**0.5:.6g}"}
    values = [part.strip() for part in given.split(",")]
    return name + equals + ",".join(numbers.get(value, value) for value in values)


def _read(text: str, rule: Contender, search: bool, learn: Sequence[str]) -> Swept:
    name, equals, given = (part.strip() for part in text.partition("="))
    if not (name and equals and given):
        raise ArcherError(f"--set {text}: write RULE.KNOB=VALUES, as in momentum.mu=0.7,0.8,0.9")
    if ":" in given:
        return _range(text, name, given.split(":"), rule, search)
    values = tuple(dict.fromkeys(_value(text, part.strip()) for part in given.split(",")))
    started = (name,) if name in learn else ()
    for value in values:
        learned = isinstance(value, str)
        knobs = Knobs(learn=(name,)) if learned else Knobs({name: float(value)}, started)
        knobs.check([rule])
    return Swept(name, _default(_spec(name, rule)), values)


def _range(text: str, name: str, parts: Sequence[str], rule: Contender, search: bool) -> Swept:
    """low:high:n, evenly spaced (by the logarithm if the knob says so), or low:high to search."""
    if len(parts) != 3 and not (search and len(parts) == 2):
        how = "low:high or low:high:n" if search else "low:high:n, n being how many values"
        raise ArcherError(f"--set {text}: write a range as {how}")
    low, high = (_number(text, part) for part in parts[:2])
    for end in (low, high):
        Knobs({name: end}).check([rule])
    if not low < high:
        raise ArcherError(f"--set {text}: an empty range; its first end must be the lower one")
    spec = _spec(name, rule)
    if len(parts) == 2:
        return Swept(name, _default(spec), low=low, high=high, log=spec.log)
    n = _number(text, parts[2])
    if not 2 <= n <= 10_000 or n != int(n):
        raise ArcherError(f"--set {text}: {parts[2]} values; a range has 2 or more")
    spaced = (np.geomspace if spec.log else np.linspace)(low, high, int(n))
    # twelve digits: what a user would have written, so that its trials are those of a list
    inner = (float(f"{value:.12g}") for value in spaced[1:-1])
    return Swept(name, _default(spec), (low, *inner, high), log=spec.log)


def _spec(name: str, rule: Contender) -> KnobSpec:
    return rule.knob(name.partition(".")[2])


def _default(spec: KnobSpec) -> Value:
    """What the rule does by itself: a number would fix a knob that it learns."""
    return LEARNED if spec.learn else spec.default


def _value(text: str, part: str) -> Value:
    return LEARNED if part == LEARNED else _number(text, part)


def _number(text: str, part: str) -> float:
    try:
        return unsigned(float(part))
    except ValueError:
        raise ArcherError(f"--set {text}: {part!r} is not a number") from None


def _check_apart(swept: Swept) -> None:
    """Raises ArcherError for values that tables would show alike: points go by what is shown."""
    seen: dict[str, Value] = {}
    for value in (swept.default, *swept.values):
        other = seen.setdefault(shown(value), value)
        if other != value:
            default = ", the default" if other == swept.default else ""
            raise ArcherError(
                f"--set {swept.name}: {value!r} and {other!r}{default} are alike in the twelve "
                "digits that tables show; give one of them"
            )


def shown(value: Value) -> str:
    """A value as tables have it."""
    return value if isinstance(value, str) else f"{value:.12g}"


def _chunk_size(size: int) -> int:
    if not 1 <= size <= MAX_CHUNK_SIZE:
        raise ArcherError(f"--chunk-size {size}: use 1 to {MAX_CHUNK_SIZE} tokens")
    return size
