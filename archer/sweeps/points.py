"""Points of a sweep: one value for everything that is swept."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

from archer.errors import ArcherError
from archer.mad.plan import Knobs
from archer.sweeps.values import CHUNK_SIZE, LEARNED, Swept, Value, shown

MOST_POINTS = 200  # without being told so


@dataclass(frozen=True)
class Point:
    """One value per swept name, in their order. learn: knobs trained from that value.

    alone: the only name whose value is not the default, where they are varied one at a time; "" if
    there is none.
    """

    values: tuple[tuple[str, Value], ...]
    learn: tuple[str, ...] = ()
    alone: str | None = None

    @property
    def label(self) -> str:
        """ "mu=0.7, chunk_size=8"; of one that stands alone "mu=0.7", of none "no change"."""
        if self.alone == "":
            return "no change"
        named = [name for name, _ in self.values if self.alone in (None, name)]
        return ", ".join(f"{name.rpartition('.')[2]}={self.shown(name)}" for name in named)

    def shown(self, name: str) -> str:
        """A value as tables have it: "0.7", "learned" or "learned from 0.7"."""
        value = dict(self.values)[name]
        started = not isinstance(value, str) and name in self.learn
        return f"{LEARNED} from {shown(value)}" if started else shown(value)

    @property
    def knobs(self) -> Knobs:
        """What a plan is told; a learned knob without a number starts at its default."""
        numbers = {n: v for n, v in self.values if n != CHUNK_SIZE and not isinstance(v, str)}
        words = (n for n, v in self.values if isinstance(v, str))
        return Knobs(numbers, tuple(dict.fromkeys((*words, *self.learn))))

    @property
    def chunk_size(self) -> int | None:
        """None: the preset's, or the rule's own."""
        size = dict(self.values).get(CHUNK_SIZE)
        return None if size is None else int(size)


def grid(swept: Sequence[Swept], learn: Sequence[str] = (), most: int | None = None) -> list[Point]:
    """Every combination of the values, the first name varying slowest.

    Raises ArcherError if there are more than `most`.
    """
    count = math.prod(len(each.values) for each in swept)
    if most is not None and count > most:
        raise ArcherError(
            f"a grid of {count} points, more than {most}: give --yes if you mean it, "
            "or fewer values"
        )
    names = [each.name for each in swept]
    combined = product(*(each.values for each in swept))
    return [point(dict(zip(names, values, strict=True)), learn) for values in combined]


def axes(swept: Sequence[Swept]) -> list[Point]:
    """Every value of every name, all others being at their defaults."""
    base = reference(swept, one_at_a_time=True)
    return once(
        [
            base
            if value == each.default
            else Point(tuple((dict(base.values) | {each.name: value}).items()), alone=each.name)
            for each in swept
            for value in each.values
        ]
    )


def point(values: dict[str, Value], learn: Sequence[str] = ()) -> Point:
    """The point of these values; of the knobs in `learn` those that have a number start there."""
    started = tuple(name for name in learn if not isinstance(values.get(name), str | None))
    return Point(tuple(values.items()), started)


def reference(swept: Sequence[Swept], one_at_a_time: bool = False) -> Point:
    """Every default: what the rule is without the sweep."""
    alone = "" if one_at_a_time and len(swept) > 1 else None
    return Point(tuple((each.name, each.default) for each in swept), alone=alone)


def once(points: Sequence[Point]) -> list[Point]:
    """Without repetitions, in order."""
    return list({point.label: point for point in points}.values())
