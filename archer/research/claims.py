"""What may be claimed of promoted rules: test data, seeds no choice has seen, Holm's correction."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from archer.research.entries import Entry
from archer.research.stages import BASELINES
from archer.stats import compare, holm

ALPHA = 0.05
SHOWN = ("difference", "low", "high")
UNTOLD = dict.fromkeys((*SHOWN, "p"), math.nan)
Verdict = Literal["better", "worse", "cannot tell"]
Table = dict[str, dict[str, float]]  # figures of a comparison by task, "average" among them


@dataclass(frozen=True)
class Claim:
    """A promoted rule against another on its last stage: mean test accuracy over the tasks.

    difference with its 95 % interval, paired over n fresh seeds. lost: further seeds, at which one
    of the two has no score; then nothing is told but the tasks that lost none, for the seeds that
    went well would flatter. p: paired t test; p_holm: corrected over `family` comparisons, those
    of every candidate that was tried. tasks: difference, low and high by task, uncorrected.
    """

    rule: str
    against: str
    stage: str
    n: int
    lost: int
    difference: float
    low: float
    high: float
    p: float
    p_holm: float
    family: int
    verdict: Verdict
    tasks: dict[str, tuple[float, float, float]]

    @property
    def told(self) -> str:
        """The verdict, with what kept it from being one."""
        return f"{self.verdict}: {self.gap}" if self.lost else self.verdict

    @property
    def gap(self) -> str:
        """What is missing of it."""
        return f"no score on {self.lost} of {self.n + self.lost} seeds"


def claims(entries: Sequence[Entry], tests: pd.DataFrame, tried: int) -> list[Claim]:
    """Every promoted candidate against its parent, delta and gated_delta.

    tests: accuracies on test data, columns rule, stage, task, seed, accuracy. tried: how many
    candidates were trained; what was not promoted counts in the correction with p = 1.
    """
    measured = set(zip(tests["stage"], tests["rule"], strict=True))
    pairs = [
        (entry, base)
        for entry in entries
        if entry.outcome == "promoted" and (entry.stage, entry.id) in measured
        for base in dict.fromkeys([entry.parent, *BASELINES])
        if (entry.stage, base) in measured
    ]
    tables = _compared(tests, pairs)
    found = [(*pair, tables.get((pair[0].id, pair[1]), {})) for pair in pairs]
    family = max(tried * (1 + len(BASELINES)), len(found))
    p_holm = corrected([table.get("average", UNTOLD)["p"] for *_, table in found], family)
    return [
        _claim(entry, base, table, _seeds(tests, entry, base), p, family)
        for (entry, base, table), p in zip(found, p_holm, strict=True)
    ]


def _seeds(tests: pd.DataFrame, entry: Entry, base: str) -> tuple[int, int]:
    """How many fresh seeds both have scores for on every task, and how many not."""
    here = tests[tests["stage"] == entry.stage]
    wide = here.pivot(index="seed", columns=["rule", "task"], values="accuracy")
    whole = int(wide[[entry.id, base]].notna().all(axis=1).sum())
    return whole, len(wide) - whole


def corrected(p: Sequence[float], family: int) -> list[float]:
    """Holm's correction as if the family had as many more tests, all with p = 1.

    What could not be tested is NaN and counts as p = 1 too.
    """
    filled = [1.0 if math.isnan(value) else value for value in p]
    found = holm([*filled, *[1.0] * (family - len(p))])[: len(p)].tolist()
    return [value if math.isnan(value) else one for value, one in zip(p, found, strict=True)]


def _compared(
    tests: pd.DataFrame, pairs: Sequence[tuple[Entry, str]]
) -> dict[tuple[str, str], Table]:
    """Differences by task and on average over the tasks, by rule and what it is held against.

    Of those for which both have a score at every seed.
    """
    found: dict[tuple[str, str], Table] = {}
    for stage, base in dict.fromkeys((entry.stage, base) for entry, base in pairs):
        rules = [entry.id for entry, b in pairs if (entry.stage, b) == (stage, base)]
        here = tests[(tests["stage"] == stage) & tests["rule"].isin([*rules, base])]
        whole = _whole(_with_average(here), base)
        rows = compare(whole, base).to_dict("records") if len(whole) else []
        for row in rows:
            figures = {name: float(row[name]) for name in (*SHOWN, "p")}
            found.setdefault((row["rule"], base), {})[row["task"]] = figures
    return found


def _whole(scores: pd.DataFrame, base: str) -> pd.DataFrame:
    """Of the tasks that the base has every seed of, the rules that have them too."""
    scored = scores.groupby(["rule", "task"])["accuracy"].transform(lambda each: each.notna().all())
    tasks = scores.loc[scored & (scores["rule"] == base), "task"]
    return scores[scored & scores["task"].isin(tasks)]


def _with_average(tests: pd.DataFrame) -> pd.DataFrame:
    """As `archer.stats` reads scores, with the mean over tasks as one more task."""
    means = tests.groupby(["rule", "seed"], sort=False)["accuracy"]
    average = means.apply(lambda accuracy: accuracy.mean(skipna=False)).reset_index()
    frame = pd.concat([tests, average.assign(task="average")], ignore_index=True)
    return frame.assign(row=frame["rule"], column=frame["task"], setting=frame["task"])


def _claim(
    entry: Entry, base: str, table: Table, seeds: tuple[int, int], p_holm: float, family: int
) -> Claim:
    row = table.get("average", UNTOLD)
    verdict: Verdict = "cannot tell"
    if p_holm < ALPHA:
        verdict = "better" if row["difference"] > 0 else "worse"
    return Claim(
        rule=entry.id,
        against=base,
        stage=entry.stage,
        n=seeds[0],
        lost=seeds[1],
        difference=row["difference"],
        low=row["low"],
        high=row["high"],
        p=row["p"],
        p_holm=p_holm,
        family=family,
        verdict=verdict,
        tasks={
            task: (row["difference"], row["low"], row["high"])
            for task, row in table.items()
            if task != "average"
        },
    )
