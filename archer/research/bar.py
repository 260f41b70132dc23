"""What a candidate must do to be promoted, stage by stage. docs/research.md says why."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from archer.errors import ArcherError
from archer.mad.results import Results
from archer.mad.settings import COLUMNS

NOISE_SEEDS = 5  # of delta, once per stage
ALPHA = 0.10


@dataclass(frozen=True)
class Bar:
    """Promoted: mean validation accuracy over tasks and seeds above delta's by more than `margin`,
    and not below the parent's, or the change itself brought nothing.

    margin = t(1 - ALPHA, n - 1) * sqrt(2 / seeds) * noise, with noise the standard deviation of
    delta's mean over tasks between its n seeds: what two trainings of delta itself differ by, in
    one direction, one time in ten. It gives leave to be measured again and is no claim.
    """

    stage: str
    seeds: int
    noise: float
    noise_seeds: int
    margin: float

    def __str__(self) -> str:
        return (
            f"to pass {self.stage}, mean validation accuracy must not be below the parent's, and "
            f"must exceed delta's by more than {self.margin:.4f}: what two trainings of delta "
            "differ by in one direction one time in ten "
            f"(standard deviation {self.noise:.4f} over {self.noise_seeds} seeds; {self.seeds} "
            f"{'seed' if self.seeds == 1 else 'seeds'} per candidate)"
        )


def fresh_from(seeds: int) -> int:
    """The first seed that no choice has seen, neither a candidate's own nor one that set a bar."""
    return max(NOISE_SEEDS, seeds)


def bar_of(stage: str, delta: pd.DataFrame, seeds: int) -> Bar:
    """The bar of a stage. delta: its scores there, columns task, seed, accuracy; 3 seeds or more.

    Raises ArcherError where delta has no score: then nothing can be compared.
    """
    means = seed_means(delta)
    if len(means) < 3 or means.isna().any():
        raise ArcherError(f"delta has no score on {stage} to compare with")
    noise = float(means.std(ddof=1))
    t = float(stats.t.ppf(1 - ALPHA, len(means) - 1))
    return Bar(stage, seeds, noise, len(means), t * math.sqrt(2 / seeds) * noise)


def seed_means(scores: pd.DataFrame) -> pd.Series:
    """Mean over tasks by seed; NaN where a task has no score."""
    wide = scores.pivot(index="seed", columns="task", values="accuracy")
    return wide.mean(axis=1, skipna=False)


def gap(scores: pd.DataFrame, base: pd.DataFrame) -> float:
    """Mean over tasks and common seeds of the difference; NaN where a task has no score."""
    both = scores.merge(base, on=["task", "seed"], suffixes=("", "_base"))
    gaps = (both["accuracy"] - both["accuracy_base"]).to_numpy(float)
    return float(np.mean(gaps)) if len(gaps) else math.nan


def judge(
    candidate: pd.DataFrame, delta: pd.DataFrame, parent: pd.DataFrame, bar: Bar
) -> tuple[bool, str]:
    """Whether it passes, and why, from the rules' scores on the bar's stage."""
    lost = candidate.loc[candidate["accuracy"].isna(), "task"].unique()
    if len(lost):
        return False, f"no score on {', '.join(COLUMNS[task] for task in lost)} at {bar.stage}"
    found, step = gap(candidate, delta), gap(candidate, parent)
    passed = found > bar.margin and step >= 0
    words = "above" if found > bar.margin else "not above"
    return passed, (
        f"{bar.stage}: {found:+.4f} against delta, {words} the bar of {bar.margin:.4f}; "
        f"{step:+.4f} against the parent"
    )


def untrainable(results: Results, rule: str) -> str:
    """Why a rule does not train, "" if it does: failed, diverged, no score, loss not falling.

    All that `smoke` can tell. The loss: of the training, last epoch less first, mean over trials.
    """
    trials = results.trials[results.trials["rule"] == rule]
    failed = trials[trials["status"] == "failed"]
    if len(failed):
        return f"training failed: {next(filter(None, failed['reason']), 'no result')}"
    diverged = trials.loc[trials["status"] == "diverged", "task"].unique()
    if len(diverged):
        return f"diverged on {', '.join(COLUMNS[task] for task in diverged)}"
    if trials["validation_accuracy"].isna().any():
        return "no score"
    own = results.curves[results.curves["trial"].isin(trials["trial"])]
    losses = own.sort_values("epoch").groupby("trial")["train_loss"]
    change = float((losses.last() - losses.first()).mean())
    return "" if change < 0 else f"training loss does not fall ({change:+.4f} from first to last)"
