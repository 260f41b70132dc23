"""A few shapes and an axis as inline SVG: all that the plots need."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

MARKERS = 4


@dataclass(frozen=True)
class Axis:
    """Maps [low, high] to [start, end] in pixels; log: by the logarithm."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        low, high, x = self.low, self.high, value
        if self.log:
            low, high, x = math.log(low), math.log(high), math.log(x)
        share = (x - low) / (high - low) if high > low else 0.5
        return round(self.start + share * (self.end - self.start), 1)


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Round numbers within [low, high], at most about `most`."""
    span = high - low
    if not span > 0:
        return [low]
    raw = span / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


@dataclass
class Canvas:
    """A plot being drawn; `svg` ends it. title and about are read aloud by screen readers."""

    width: int
    height: int
    title: str
    about: str
    parts: list[str] = field(default_factory=list)

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        self.parts.append(f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" class="{kind}"/>')

    def path(self, points: Sequence[tuple[float, float]], kind: str) -> None:
        where = "M" + "L".join(f"{x} {y}" for x, y in points)
        self.parts.append(f'<path d="{where}" class="{kind}"/>')

    def text(self, x: float, y: float, words: str, kind: str = "", anchor: str = "middle") -> None:
        self.parts.append(
            f'<text x="{x}" y="{y}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>'
        )

    def marker(self, x: float, y: float, shape: int, kind: str, tip: str) -> None:
        """A circle, square, diamond or triangle, so that colour is not the only difference."""
        r = 4
        shapes = (
            f'<circle cx="{x}" cy="{y}" r="{r}"',
            f'<rect x="{round(x - r + 0.5, 1)}" y="{round(y - r + 0.5, 1)}" width="7" height="7"',
            f'<path d="M{x} {round(y - 5, 1)}l5 5l-5 5l-5-5z"',
            f'<path d="M{x} {round(y - 5, 1)}l5 8.5h-10z"',
        )
        self.parts.append(
            f'{shapes[shape % MARKERS]} class="{kind}"><title>{escape(tip)}</title>'
            f"</{shapes[shape % MARKERS][1:].split()[0]}>"
        )

    def begin(self, rule: str) -> None:
        """What follows belongs to one rule, and hides with it."""
        self.parts.append(f'<g data-rule="{escape(rule, quote=True)}">')

    def end(self) -> None:
        self.parts.append("</g>")

    def svg(self) -> str:
        about = f"<title>{escape(self.title)}</title><desc>{escape(self.about)}</desc>"
        label = escape(f"{self.title}. {self.about}", quote=True)
        return (
            f'<svg viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{label}">'
            f"{about}{''.join(self.parts)}</svg>"
        )
