"""What mutations do to a genome; each gives a new one, or None where it does not apply."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random

from archer.research.evolution.genome import CHUNK_SIZES, PLACES, Genome
from archer.research.evolution.parts import Kind, Number, Part, Range


def put(place: str, *kinds: str) -> Callable[[Genome, Random], Genome | None]:
    """A change that fills a place with one of these kinds, unless one of them is there already."""

    def apply(genome: Genome, rng: Random) -> Genome | None:
        if genome.kind(place) in kinds:
            return None
        kind = rng.choice([k for k in PLACES[place] if k.name in kinds])
        return genome.put(place, fresh(kind, rng))

    return apply


def fresh(kind: Kind, rng: Random) -> Part:
    """A part with numbers drawn from their levels, about every second one learned."""
    return Part(kind, tuple(_drawn(r, rng) for r in kind.ranges))


def _drawn(bounds: Range, rng: Random) -> Number:
    if bounds.name == "share":  # a share is there to be found out
        return Number(rng.choice(bounds.levels), learn=True)
    return Number(rng.choice(bounds.levels), learn=bounds.learnable and rng.random() < 0.5)


def _numbers(genome: Genome) -> list[tuple[str, Range, Number]]:
    return [
        (place, bounds, number)
        for place, part in genome.parts
        for bounds, number in zip(part.kind.ranges, part.numbers, strict=True)
    ]


def learn_number(genome: Genome, rng: Random) -> Genome | None:
    """A fixed number becomes learned, from another start so that it is another rule untrained."""
    fixed = [(p, r, n) for p, r, n in _numbers(genome) if r.learnable and not n.learn]
    if not fixed:
        return None
    place, bounds, number = rng.choice(fixed)
    starts = [level for level in bounds.levels if level != number.value]
    return genome.set_number(place, bounds.name, Number(rng.choice(starts), learn=True))


def nudge_number(genome: Genome, rng: Random) -> Genome | None:
    """A fixed number moves to the next level, up or down."""
    fixed = [(p, r, n) for p, r, n in _numbers(genome) if not n.learn]
    if not fixed:
        return None
    place, bounds, number = rng.choice(fixed)
    below = [level for level in bounds.levels if level < number.value][-1:]
    above = [level for level in bounds.levels if level > number.value][:1]
    return genome.set_number(place, bounds.name, Number(rng.choice(below + above)))


def resize_chunk(genome: Genome, rng: Random) -> Genome | None:
    """Half or twice the chunk."""
    size = genome.chunk_size
    near = [each for each in CHUNK_SIZES if each in (size // 2, size * 2)]
    return replace(genome, chunk_size=rng.choice(near)) if near else None


def simplify(genome: Genome, rng: Random) -> Genome | None:
    """One part less."""
    if not genome.parts:
        return None
    return genome.drop(rng.choice(genome.parts)[0])


def cross(a: Genome, b: Genome, rng: Random) -> Genome | None:
    """In every place the part of one of the two; the chunk size of the first."""
    child = Genome(chunk_size=a.chunk_size)
    parents: Mapping[bool, Genome] = {True: a, False: b}
    for place in PLACES:
        child = child.put(place, parents[rng.random() < 0.5].part(place))
    return None if child.parts in (a.parts, b.parts) else child
