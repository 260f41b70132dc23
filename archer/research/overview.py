"""A session as its reports see it: every figure computed once, from the ledger alone."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from archer.research.bar import Bar, bar_of, gap
from archer.research.book import Book
from archer.research.chance import Chance, against_control
from archer.research.claims import Claim, claims
from archer.research.entries import Arm, Entry, Session
from archer.research.predict import Prediction, predictions, score
from archer.research.spending import Spending
from archer.research.stages import search_stage
from archer.rules.load import BUILTIN

NAN = float("nan")


@dataclass(frozen=True)
class Standing:
    """A rule on the search stage: score over tasks (validation), its gap to delta, its cost.

    entry: None for a built-in rule. NaN where it has none.
    """

    key: str
    name: str
    entry: Entry | None
    score: float
    gap: float
    cost: float

    @property
    def scored(self) -> bool:
        return not math.isnan(self.gap)


@dataclass(frozen=True)
class Overview:
    """One session, and what may be said of it.

    validation, tests: rows of the ledger's scores. earlier: candidates that earlier sessions in
    the same store trained, which also had a chance to be lucky.
    """

    session: Session
    entries: tuple[Entry, ...]
    validation: pd.DataFrame
    tests: pd.DataFrame
    earlier: int
    where: str

    @staticmethod
    def load(book: Book, session: Session) -> "Overview":
        every = book.entries()
        before = [e for e in every if e.session < session.id and e.arm == "search"]
        return Overview(
            session,
            tuple(e for e in every if e.session == session.id),
            book.scores(session.id),
            book.scores(session.id, "test"),
            sum(e.stage != "" for e in before),
            book.where,
        )

    @property
    def stage(self) -> str:
        return search_stage(self.session.settings.preset)

    def arm(self, arm: Arm) -> list[Entry]:
        return [entry for entry in self.entries if entry.arm == arm]

    def spending(self, arm: Arm) -> Spending:
        return Spending.of(self.arm(arm), self.session.settings.device)

    @cached_property
    def tried(self) -> int:
        """Candidates of the search that were trained at all: the chances luck had."""
        return self.earlier + sum(entry.stage != "" for entry in self.arm("search"))

    @cached_property
    def standings(self) -> dict[str, Standing]:
        """Every rule by key: the built-in ones, then proposals in their order."""
        costs = self.session.costs
        found = {n: self._standing(n, n, None, costs.get(n, NAN)) for n in BUILTIN}
        for entry in self.entries:
            if entry.source:
                found[entry.id] = self._standing(entry.id, entry.name, entry, entry.cost)
        return found

    @cached_property
    def best(self) -> list[Standing]:
        """Scored candidates of the search, the best first."""
        mine = [s for s in self.standings.values() if s.entry and s.entry.arm == "search"]
        return sorted((s for s in mine if s.scored), key=lambda s: -s.gap)

    @cached_property
    def by_task(self) -> dict[str, dict[str, dict[int, float]]]:
        """Accuracy on the search stage by rule, task and seed."""
        found: dict[str, dict[str, dict[int, float]]] = {}
        for rule, task, seed, accuracy in self._here[
            ["rule", "task", "seed", "accuracy"]
        ].itertuples(index=False):
            found.setdefault(rule, {}).setdefault(task, {})[seed] = accuracy
        return found

    @cached_property
    def bars(self) -> list[Bar]:
        """The bar of every stage that was reached and has one."""
        found = []
        for stage in dict.fromkeys(self.validation["stage"]):
            rows = self.validation[self.validation["stage"] == stage]
            delta = rows[rows["rule"] == "delta"]
            if stage != "smoke" and delta["seed"].nunique() >= 3:
                found.append(bar_of(str(stage), delta, self.session.settings.seeds))
        return found

    @cached_property
    def claims(self) -> list[Claim]:
        return claims(self.arm("search"), self.tests, self.tried)

    @cached_property
    def predicted(self) -> pd.DataFrame:
        return predictions(self.arm("search"), self.by_task)

    @cached_property
    def prediction(self) -> Prediction | None:
        return score(self.predicted)

    @cached_property
    def chance(self) -> Chance | None:
        """None without a control, or before both arms have a score."""
        return against_control(self.gaps("search"), self.gaps("control"))

    def gaps(self, arm: Arm) -> list[float]:
        """Gap to delta of every proposal asked for; NaN without a score."""
        return [self.standings[e.id].gap if e.source else NAN for e in self.arm(arm)]

    def name(self, key: str) -> str:
        """A rule's name by its key, also one of an earlier session."""
        return self.standings[key].name if key in self.standings else key

    def lineage(self, key: str) -> list[str]:
        """A rule and its first parents, back to a built-in rule."""
        line = [key]
        while (here := self.standings.get(line[-1])) and here.entry:
            line.append(here.entry.parent)
        return line

    @cached_property
    def _here(self) -> pd.DataFrame:
        return self.validation[self.validation["stage"] == self.stage]

    def _standing(self, key: str, name: str, entry: Entry | None, cost: float) -> Standing:
        here = self._here
        mine, delta = here[here["rule"] == key], here[here["rule"] == "delta"]
        if key == "delta":
            first = range(self.session.settings.seeds)
            mine, cost = mine[mine["seed"].isin(first)], 1.0
        mean = float(mine["accuracy"].mean(skipna=False)) if len(mine) else NAN
        return Standing(key, name, entry, mean, gap(mine, delta), cost)


def front(standings: Sequence[Standing]) -> list[Standing]:
    """Those that no other beats in score without costing more, the cheapest first."""
    known = [s for s in standings if s.scored and not math.isnan(s.cost)]
    found: list[Standing] = []
    for each in sorted(known, key=lambda s: (s.cost, -s.gap)):
        if not found or each.gap > found[-1].gap:
            found.append(each)
    return found
