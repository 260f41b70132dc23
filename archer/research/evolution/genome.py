"""A rule as evolution sees it: one part in each of nine places, and a chunk size."""

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from archer.research.evolution.parts import Kind, Number, Part, Range
from archer.research.evolution.reading import DECAYS, GATES, LOCALS
from archer.research.evolution.steps import SHARE, STEPS
from archer.research.evolution.writing import DIRECTIONS, FORGETTING, SIZES, SLOW

# A second step, mixed with the first: any but the raw change, with a share.
_SECONDS = (Kind("none"), *(replace(k, ranges=(SHARE, *k.ranges)) for k in STEPS[1:]))

# What may stand in each place; the first of each is DeltaNet's.
PLACES: dict[str, tuple[Kind, ...]] = {
    "gate": GATES,
    "direction": DIRECTIONS,
    "step": STEPS,
    "second": _SECONDS,
    "size": SIZES,
    "forget": FORGETTING,
    "decay": DECAYS,
    "slow": SLOW,
    "local": LOCALS,
}
CHUNK_SIZES = (8, 16, 32, 64)
MAX_PARTS = 6
MAX_GAIN = 2.0
ADAPTIVE = ("adam", "corrected_adam", "second_moment")


@dataclass(frozen=True)
class Genome:
    """Parts by place, DeltaNet's left out; equal genomes are equal rules."""

    parts: tuple[tuple[str, Part], ...] = ()
    chunk_size: int = 32

    def part(self, place: str) -> Part:
        """What fills a place."""
        return dict(self.parts).get(place) or Part(PLACES[place][0])

    def kind(self, place: str) -> str:
        """Name of the kind that fills a place."""
        return self.part(place).kind.name

    def put(self, place: str, part: Part) -> "Genome":
        """The same with another part in one place."""
        parts = {**dict(self.parts), place: part}
        return Genome(
            tuple((p, parts[p]) for p in PLACES if p in parts and parts[p] != Part(PLACES[p][0])),
            self.chunk_size,
        )

    def drop(self, place: str) -> "Genome":
        """The same with DeltaNet's part in one place."""
        return self.put(place, Part(PLACES[place][0]))

    def set_number(self, place: str, name: str, number: Number) -> "Genome":
        """The same with another value for one number."""
        part = self.part(place)
        numbers = {**part.named(), name: number}
        return self.put(place, replace(part, numbers=tuple(numbers[r.name] for r in _ranges(part))))

    @property
    def learned(self) -> int:
        """How many of its numbers are learned."""
        return sum(number.learn for _, part in self.parts for number in part.numbers)


def _ranges(part: Part) -> tuple[Range, ...]:
    return part.kind.ranges


def part(place: str, kind: str, numbers: Mapping[str, Number] | None = None) -> Part:
    """A part by names; numbers that are not given take the middle level, fixed. Raises KeyError."""
    found = {k.name: k for k in PLACES[place]}[kind]
    given = dict(numbers or {})
    if set(given) - {r.name for r in found.ranges}:
        raise KeyError(f"{place} {kind} has no number {sorted(given)}")
    middle = {r.name: Number(r.levels[len(r.levels) // 2]) for r in found.ranges}
    return Part(found, tuple((middle | given)[r.name] for r in found.ranges))


def problem(genome: Genome) -> str | None:
    """Why these parts do not go together, or None.

    What is refused here would make a rule that grows without bound, has a number without effect,
    uses a name twice, or is too much of everything to be understood.
    """
    if len(genome.parts) > MAX_PARTS:
        return f"more than {MAX_PARTS} parts"
    if any(a.names & b.names for (_, a), (_, b) in itertools.combinations(genome.parts, 2)):
        return "two parts use the same name"
    gain = 1.0
    for place, part in genome.parts:
        gain *= part.kind.gain if place != "second" else 1.0
    gain *= max(1.0, genome.part("second").kind.gain / genome.part("step").kind.gain)
    if gain > MAX_GAIN:
        return f"together they can multiply a write by {gain:g}"
    return _without_effect(genome)


def _without_effect(genome: Genome) -> str | None:
    direction, size = genome.kind("direction"), genome.kind("size")
    plain = genome.kind("step") == "raw" and genome.kind("second") == "none"
    if direction in ("rms", "rows", "clip") and genome.kind("step") in ADAPTIVE:
        return "an adaptive step undoes what sets the size of its direction"
    if size == "matched":
        if direction in ("rms", "clip") or (plain and direction == "raw"):
            return "matching the size undoes what sets it, or changes nothing"
        if genome.part("step").named().get("lr", Number(0.0)).learn:
            return "a step of matched size does not depend on lr"
    return None


def words(genome: Genome) -> str:
    """The genome in one line of text, which `genome_of` reads back."""
    parts = [f"{place} {_part_words(part)}" for place, part in genome.parts]
    return "; ".join([*parts, f"chunk {genome.chunk_size}"])


def _part_words(part: Part) -> str:
    numbers = ", ".join(
        f"{name}={number.value:g}{' learned' * number.learn}"
        for name, number in part.named().items()
    )
    return part.kind.name + (f"({numbers})" if numbers else "")


_PART = re.compile(r"(\w+) (\w+)(?:\(([^()]*)\))?")
_NUMBER = re.compile(r"(\w+)=([-+.\deE]+)( learned)?")


def genome_of(text: str) -> Genome | None:
    """The genome that `words` wrote, or None if the text is not such a line."""
    *parts, chunk = text.split("; ")
    size = re.fullmatch(r"chunk (\d{1,4})", chunk)
    genome = Genome(chunk_size=int(size[1])) if size else None
    try:
        for each in parts if genome else ():
            place, kind, numbers = _PART.fullmatch(each).groups()  # type: ignore[union-attr]
            genome = genome and genome.put(place, part(place, kind, _numbers(numbers)))
    except (AttributeError, KeyError, ValueError):
        return None
    return genome


def _numbers(text: str | None) -> dict[str, Number]:
    found = [_NUMBER.fullmatch(each) for each in text.split(", ")] if text else []
    return {m[1]: Number(float(m[2]), bool(m[3])) for m in found if m}
