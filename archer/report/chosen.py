"""What a reader must know of learning rates and weight decays that were chosen beforehand."""

from collections.abc import Sequence

import pandas as pd

from archer.mad.rates import TOLD
from archer.report.phrases import name, names, seed_span


def chosen_beforehand(trials: pd.DataFrame) -> bool:
    """Whether a table's rates were chosen by another table, not on a grid of its own."""
    return TOLD[0] in trials


def sentences(trials: pd.DataFrame) -> list[str]:
    """By what the rates were chosen, a sentence per source; none where they are of the grid."""
    if not chosen_beforehand(trials):
        return []
    seeds = sorted(map(int, trials["seed"].unique()))
    told = trials.dropna(subset=list(TOLD))
    parts = told.assign(_of=_of(told)).groupby(["rates_from", "rates_seeds", "_of"], sort=False)
    found = []
    for key, part in parts:
        source, by, of = map(str, key)
        found.append(_sentence(source, by, of, _whose(part, trials), seeds))
    return found


def _of(told: pd.DataFrame) -> "pd.Series[str]":
    """Per trial the rule whose rates it takes; "" where each rule of a source takes its own."""
    of = told["rates_of"]
    one = of.groupby([told["rates_from"], told["rates_seeds"]]).transform("nunique") == 1
    return of.where((of != told["rule"]) | one, "")


def _sentence(source: str, by: str, of: str, whose: str, seeds: Sequence[int]) -> str:
    chosen_by = list(map(int, by.split()))
    return (
        f"{whose} were chosen beforehand, for every setting, by the mean validation accuracy of "
        f"{name(of) if of else 'the rule'} over {_seeds(chosen_by)} in {name(source)}; "
        f"{_apart(chosen_by, seeds)}."
    )


def _whose(part: pd.DataFrame, trials: pd.DataFrame) -> str:
    """The subject of the sentence; it names rules where it is not about all of them."""
    rules = list(map(str, part["rule"].unique()))
    every = len(rules) == trials["rule"].nunique()
    return "Learning rate and weight decay" + ("" if every else f" of {names(rules)}")


def _apart(chosen_by: Sequence[int], seeds: Sequence[int]) -> str:
    """Whether the seeds of the table are fresh."""
    both = [seed for seed in seeds if seed in chosen_by]
    if not both:
        return f"{_seeds(seeds)}, which the table is of, had no part in the choice"
    return f"{_seeds(both)}, which the table is of as well, had a part in the choice"


def _seeds(seeds: Sequence[int]) -> str:
    return f"seed{'s' if len(seeds) > 1 else ''} {seed_span(seeds)}"
