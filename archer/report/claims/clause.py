"""A clause, who it speaks of, and the building of statements from that."""

import re
from dataclasses import dataclass, field

from archer.report.claims.grammar import NEGATION
from archer.report.claims.mentions import Mention, Skeleton
from archer.report.claims.table import ScoreTable

# "Its lead over the second best rule": not over the baseline.
_DESCRIBED = re.compile(
    r"\b(?:over|above|ahead of|than|against|behind|below|to|from|vs\.?|beats?) "
    r"(?:next|second|third|runner|best|worst|strongest|weakest|closest|nearest)\b"
)


@dataclass
class Context:
    """What was spoken of before: the heading's and the last sentence's subject and task.

    base: what is compared with; near: the subject was named in this very sentence; of_seeds: the
    last sentence spoke of single seeds.
    """

    subject: Mention | None = None
    tasks: Mention | None = None
    base: Mention | None = None
    near: bool = False
    of_seeds: bool = False


@dataclass
class Clause:
    """A clause's pattern text; `used` are the figures that a statement has taken.

    taken: stretches of text that a statement has spoken for; left_over: a figure was understood as
    one, but not whose; said_base: the model that the text itself compares with; shards: a part was
    cut off the sentence that may limit it; plain: every word of the sentence is understood;
    of_seeds: it, or what stands before it in the sentence, speaks of single seeds.
    """

    text: str
    skeleton: Skeleton
    table: ScoreTable
    context: Context
    used: set[int] = field(default_factory=set)
    taken: list[tuple[int, int]] = field(default_factory=list)
    used_ranges: set[int] = field(default_factory=set)
    left_over: bool = False
    said_base: Mention | None = None
    shards: bool = False
    plain: bool = True
    of_seeds: bool = False

    def find(self, kind: str) -> list[tuple[int, int, int]]:
        """(start, end, index) of the placeholders M, T, N or R."""
        return [(m.start(), m.end(), int(m[1])) for m in re.finditer(rf"\b{kind}(\d+)", self.text)]

    def models(self) -> list[tuple[int, int, Mention]]:
        return [(a, b, self.skeleton.models[i]) for a, b, i in self.find("M")]

    def tasks(self) -> list[tuple[int, int, Mention]]:
        return [(a, b, self.skeleton.tasks[i]) for a, b, i in self.find("T")]

    def free(self) -> list[tuple[int, int, int]]:
        return [f for f in self.find("N") if f[2] not in self.used]

    def negated(self, trigger_start: int, reach: int = 4) -> bool:
        if re.search(r"\b(?:neither|nor)\b", self.text[:trigger_start]):
            return True
        before = re.split(r"[,;(]", self.text[:trigger_start])[-1]
        before = re.sub(r"\b(?:without|no) M\d+", "", before).split()[-reach:]
        return bool(NEGATION.search(" ".join(before)))

    def default_base(self, subject: Mention | None) -> Mention | None:
        """The model that a lone one is compared with, when the text does not say."""
        if self.context.base is not None and self.context.base != subject:
            return self.context.base
        if _DESCRIBED.search(self.text):
            return None
        name = self.table.baseline
        if name is None or (subject is not None and name in subject.names and not subject.group):
            return None
        return Mention(((name,),))
