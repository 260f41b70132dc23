"""What a sentence speaks of: names, and the sentence with them lifted out."""

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from archer.report.claims.figures import Figure

if TYPE_CHECKING:
    from archer.report.claims.picks import Pick
    from archer.report.claims.statements import Statement


@dataclass(frozen=True)
class Mention:
    """Names meant, in order; several readings when it is unclear which.

    quant: "each", "none", "most", "only", "any" or "count" (exactly `count`, at least with
    `at_least`); but: those that a group is said to leave out.
    """

    readings: tuple[tuple[str, ...], ...]
    quant: str = "each"
    count: int = 0
    at_least: bool = False
    group: bool = False
    but: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return self.readings[0]

    @property
    def single(self) -> str | None:
        one = len(self.readings) == 1 and len(self.names) == 1 and self.quant == "each"
        return self.names[0] if one else None


@dataclass
class Skeleton:
    """text: the pattern text; models, tasks, figures, ranges: what M0, T0, N0, R0 stand for.

    lifted: the text with names lifted alone; beside: what was said of knobs and times. picks: the
    seeds that pick0, ... stand for; over: the number of seeds that a mean is said to be over.
    """

    text: str
    models: list[Mention] = field(default_factory=list)
    tasks: list[Mention] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    ranges: list[tuple[Figure, Figure]] = field(default_factory=list)
    lifted: str = ""
    beside: list["Statement"] = field(default_factory=list)
    picks: list["Pick"] = field(default_factory=list)
    over: int | None = None

    def spoken(self, kind: str) -> list[Mention]:
        """The models ("M") or tasks ("T") that no merging has taken out of the text."""
        mentions = self.models if kind == "M" else self.tasks
        return [m for i, m in enumerate(mentions) if re.search(rf"\b{kind}{i}\b", self.text)]


def add_tasks(s: Skeleton, mention: Mention) -> str:
    s.tasks.append(mention)
    return f"T{len(s.tasks) - 1}"


def add_models(s: Skeleton, mention: Mention) -> str:
    s.models.append(mention)
    return f"M{len(s.models) - 1}"
