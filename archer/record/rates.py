"""Learning rate x weight decay of another training: per setting those that did best there."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from archer.errors import ArcherError
from archer.mad.presets import Preset
from archer.mad.rates import ChosenRates, Rate, called
from archer.record.gather import Choice, gather
from archer.report.record import MISSING
from archer.report.study import Study
from archer.store import open_store
from archer.store.environment import masked
from archer.store.opening import STORE_FILE


def best_rates(
    source: str | Path, rules: Sequence[str], preset: Preset, of: str | None = None
) -> tuple[ChosenRates, ...]:
    """For every rule, per setting of a preset, where its validation accuracy is highest there.

    source: a record, or the folder, file or URL of a benchmark's store. of: the rule whose rates
    all take, instead of each its own. The accuracy is the mean over the source's seeds; ties go to
    the lower validation perplexity, then to the smaller lr. Raises ArcherError where a rule is not
    there, or a setting was not trained at every point of the grid and every seed, under strict.
    """
    named = masked(str(source)) if "://" in str(source) else str(Path(source))
    wanted = list(dict.fromkeys(of or rule for rule in rules))
    trials = _trials(source, named, wanted, preset.name)
    best = {rule: _chosen(named, rule, own, preset) for rule, own in trials.items()}
    return tuple(replace(best[of or rule], rule=rule) for rule in rules)


def _chosen(source: str, rule: str, trials: pd.DataFrame, preset: Preset) -> ChosenRates:
    found: list[Rate] = []
    for setting in preset.settings:
        here = trials[trials["setting"] == setting.name]
        if here.empty or here["status"].isin([MISSING, "failed"]).any():
            raise ArcherError(
                f"{source}: {rule} is not trained to the end on {setting.name}; finish it, or "
                "choose others with --tasks"
            )
        found.append((setting.name, *_best(here)))
    of_these = trials["setting"].isin([setting.name for setting in preset.settings])
    seeds = tuple(sorted(map(int, trials.loc[of_these, "seed"].unique())))
    return ChosenRates(rule, rule, called(source), seeds, tuple(found))


def _trials(
    source: str | Path, named: str, rules: list[str], preset: str
) -> dict[str, pd.DataFrame]:
    """What a source has of a preset under protocol strict, by rule."""
    folder = Path(source)
    tables = any((folder / f"trials.csv{end}").is_file() for end in ("", ".gz"))
    if tables and not (folder / STORE_FILE).exists():
        study = Study.load(folder)
        if (study.preset, study.protocol) != (preset, "strict"):
            raise ArcherError(
                f"{named} holds nothing of preset {preset}, protocol strict: it is of preset "
                f"{study.preset}, protocol {study.protocol}"
            )
        found = study.trials
        _refuse_absent(named, rules, preset, list(study.rules))
        return {rule: found[found["rule"] == rule] for rule in rules}
    with open_store(source, create=False) as store:
        plans = [p for p in store.plans() if (p["preset"], p["protocol"]) == (preset, "strict")]
        there = list(dict.fromkeys(rule for plan in plans for rule, *_ in plan["rows"]))
        if plans:  # else the store's own refusal says more
            _refuse_absent(named, rules, preset, there)
        # one by one: no rule of a source must stand in one table with another
        return {r: gather(store, Choice(preset, "strict", rules=(r,))).trials for r in rules}


def _refuse_absent(source: str, rules: list[str], preset: str, there: list[str]) -> None:
    lost = [rule for rule in rules if rule not in there]
    if lost:
        raise ArcherError(
            f"{source} holds no trials of {', '.join(lost)} in preset {preset}, protocol strict: "
            "train it there first, name another source, or give --rates-of a rule it has "
            f"({', '.join(there)})"
        )


def _best(trials: pd.DataFrame) -> tuple[float, float]:
    names = ["validation_accuracy", "validation_perplexity"]
    means = trials.groupby(["lr", "weight_decay"])[names].agg(_mean)
    lr, decay = means.sort_values(names, ascending=[False, True], kind="stable").index[0]
    return float(lr), float(decay)


def _mean(values: "pd.Series[float]") -> float:
    """NaN, which comes last, if a seed diverged."""
    return float(values.mean(skipna=False))
