"""Two result folders side by side: what changed, by how much, and whether beyond noise."""

import math
from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from archer.errors import ArcherError
from archer.report.study import Study
from archer.stats import Pairs, judged, paired_differences

MOST = 8  # names listed of what only one side has
SAID = {"different": "beyond noise", "identical by construction": "unchanged"}
SETUP = (
    *("preset", "precision", "device", "heads", "dim", "chunk_size", "output_gate"),
    *("rates_from", "rates_of"),
)
# what trials mean that lack a column
WITHOUT = {"output_gate": "False", "rates_from": "the grid", "rates_of": "the grid"}


@dataclass(frozen=True)
class Change:
    """One cell in both folders, over the settings and seeds they share; numbers of B minus A.

    a, b: means over the shared seeds; low, high: 95 % interval of the paired difference; p: Holm
    over the rules of the task, and so is the p of equivalence. verdict: "beyond noise",
    "equivalent", "cannot tell", "one seed", "unchanged" (every score is the same number) or
    "nothing shared". why: what limits the verdict.
    """

    rule: str
    column: str
    a: float
    b: float
    difference: float
    low: float
    high: float
    p: float
    seeds: int
    settings: int
    verdict: str
    why: str | None


@dataclass(frozen=True)
class Comparison:
    """Two studies of one protocol. Raises ArcherError when the protocols differ."""

    a: Study
    b: Study

    def __post_init__(self) -> None:
        if self.a.protocol != self.b.protocol:
            raise ArcherError(
                f"A was run under protocol {self.a.protocol}, B under {self.b.protocol}: their "
                "scores mean different things; run both under one protocol"
            )

    @staticmethod
    def load(a: Path, b: Path) -> "Comparison":
        """Two result folders. Raises ArcherError when one cannot be read."""
        return Comparison(Study.load(a), Study.load(b))

    @property
    def rules(self) -> list[str]:
        """The rules in both, in A's order."""
        return [rule for rule in self.a.rules if rule in self.b.rules]

    @cached_property
    def missing(self) -> list[str]:
        """What only one side has, and what has no score, as sentences."""
        only = [line for what in ("rule", "setting", "seed") for line in self._only(what)]
        return [*only, *self._unscored(), *self._presets()]

    @cached_property
    def changes(self) -> list[Change]:
        """One per task and rule in both folders, in the table's order."""
        tasks = [task for task in self.a.tasks if task in self.b.tasks]
        return [change for task in tasks for change in self._task(task)]

    def _task(self, task: str) -> list[Change]:
        column = self.a.tasks[task]
        cells = {rule: self._shared(rule, task) for rule in self.rules}
        why_not = {rule: _why_not(shared) for rule, shared in cells.items()}
        kept = {rule: shared for rule, shared in cells.items() if why_not[rule] is None}
        told = _told(kept, column)  # one family per task, as everywhere in Archer
        return [
            told[rule] if gap is None else Change(rule, column, *(math.nan,) * 6, 0, 0, *gap)
            for rule, gap in why_not.items()
        ]

    def _shared(self, rule: str, task: str) -> pd.DataFrame:
        """What both were run on: setting, seed, accuracy_a and accuracy_b, NaN without a score."""
        a, b = (_scores(study, rule, task) for study in (self.a, self.b))
        return a.merge(b, on=["setting", "seed"], suffixes=("_a", "_b"))

    def _unscored(self) -> list[str]:
        """Seeds without a score, for every cell that both folders have."""
        found = []
        for task, column in self.a.tasks.items():
            for rule in self.rules:
                shared = self._shared(rule, task)
                for side in ("A", "B"):
                    lost = shared.loc[shared[f"accuracy_{side.lower()}"].isna(), "seed"]
                    seeds = [str(seed) for seed in sorted(lost.unique())]
                    if seeds:
                        found.append(f"no score in {side}: {rule} on {column}, {_seeds(seeds)}")
        return found

    def _only(self, what: str) -> list[str]:
        ours, theirs = (list(dict.fromkeys(s.trials[what])) for s in (self.a, self.b))
        sides = (("A", ours, theirs), ("B", theirs, ours))
        lonely = ((side, [str(x) for x in own if x not in other]) for side, own, other in sides)
        return [f"only in {side}: {what} {_few(names)}" for side, names in lonely if names]

    def _presets(self) -> list[str]:
        """What was set differently."""
        found = []
        for name in SETUP:
            ours, theirs = _values(self.a.trials, name), _values(self.b.trials, name)
            if ours != theirs:
                found.append(f"{name}: {ours} in A, {theirs} in B")
        return found


def _few(names: list[str]) -> str:
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    return ", ".join(names[:MOST]) + more


def _seeds(names: list[str]) -> str:
    return f"seed{'s' if len(names) > 1 else ''} {_few(names)}"


def _values(trials: pd.DataFrame, name: str) -> str:
    if name not in trials:
        return WITHOUT.get(name, "unknown")
    return ", ".join(map(str, trials[name].unique()))


def _why_not(shared: pd.DataFrame) -> tuple[str, str] | None:
    """Verdict and reason of a cell that gets no numbers."""
    if shared.empty:
        return "nothing shared", "no setting in common"
    lost = shared.loc[shared.isna().any(axis=1), "seed"].nunique()
    if lost:  # those that are left went well: their difference would flatter who lost some
        seeds = shared["seed"].nunique()
        return "cannot tell", f"cannot tell: {lost} of {seeds} seeds have no score"
    return None


def _told(cells: dict[str, pd.DataFrame], column: str) -> dict[str, Change]:
    """A change per rule; `cells` is the family that p-values are corrected over."""
    table = judged([_pairs(shared) for shared in cells.values()])
    rows = zip(cells.items(), table.to_dict("records"), strict=True)
    return {rule: _change(rule, column, shared, row) for (rule, shared), row in rows}


def _pairs(shared: pd.DataFrame) -> Pairs:
    """B minus A per seed; the very same numbers are no sample of anything: they are not tested."""
    same = bool((shared["accuracy_a"] == shared["accuracy_b"]).all())
    return replace(paired_differences(_side(shared, "b"), _side(shared, "a")), same=same)


def _change(rule: str, column: str, shared: pd.DataFrame, row: dict[Hashable, Any]) -> Change:
    kept = shared[shared.groupby("setting")["seed"].transform("nunique") == row["n"]]
    verdict, why = SAID.get(row["verdict"], row["verdict"]), row["statement"]
    return Change(
        rule,
        column,
        float(kept["accuracy_a"].mean()),
        float(kept["accuracy_b"].mean()),
        row["difference"],
        row["low"],
        row["high"],
        row["p_holm"],
        row["n"],
        row["settings"],
        verdict,
        why if isinstance(why, str) and verdict != "unchanged" else None,
    )


def _scores(study: Study, rule: str, task: str) -> pd.DataFrame:
    chosen = study.selected
    chosen = chosen[(chosen["rule"] == rule) & (chosen["task"] == task)]
    return chosen[["setting", "seed", "accuracy"]]


def _side(shared: pd.DataFrame, side: str) -> pd.DataFrame:
    """One folder's scores as `archer.stats` pairs them."""
    return shared[["setting", "seed"]].assign(accuracy=shared[f"accuracy_{side}"])
