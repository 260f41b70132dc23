"""Learning rate x weight decay of another training: per setting those that did best there."""

from pathlib import Path

import pandas as pd

from archer.errors import ArcherError
from archer.mad.presets import Preset
from archer.record import Choice, gather
from archer.report.record import MISSING
from archer.report.study import Study
from archer.store import open_store
from archer.store.opening import STORE_FILE

Rate = tuple[str, float, float]  # setting, lr, weight decay


def best_rates(source: str | Path, rule: str, preset: Preset) -> tuple[Rate, ...]:
    """Per setting of a preset, where a rule has the highest validation accuracy (mean over seeds).

    source: a record, or the folder, file or URL of a benchmark's store. Ties go to the lower
    validation perplexity, then to the smaller lr. Raises ArcherError where a setting was not
    trained there at every point of the grid and every seed, under protocol strict.
    """
    trials = _trials(source, rule, preset.name)
    own = trials[(trials["rule"] == rule) & (trials["protocol"] == "strict")]
    if own.empty or set(own["preset"]) != {preset.name}:
        raise ArcherError(
            f"{source} holds no trials of {rule} in preset {preset.name}, protocol strict"
        )
    found = []
    for setting in preset.settings:
        here = own[own["setting"] == setting.name]
        if here.empty or here["status"].isin([MISSING, "failed"]).any():
            raise ArcherError(
                f"{source}: {rule} is not trained to the end on {setting.name}; finish it, or "
                "choose others with --tasks"
            )
        found.append((setting.name, *_best(here)))
    return tuple(found)


def _trials(source: str | Path, rule: str, preset: str) -> pd.DataFrame:
    folder = Path(source)
    tables = any((folder / f"trials.csv{end}").is_file() for end in ("", ".gz"))
    if tables and not (folder / STORE_FILE).exists():
        return Study.load(folder).trials
    with open_store(source, create=False) as store:
        return gather(store, Choice(preset, "strict", rules=(rule,))).trials


def _best(trials: pd.DataFrame) -> tuple[float, float]:
    names = ["validation_accuracy", "validation_perplexity"]
    means = trials.groupby(["lr", "weight_decay"])[names].agg(_mean)
    lr, decay = means.sort_values(names, ascending=[False, True], kind="stable").index[0]
    return float(lr), float(decay)


def _mean(values: "pd.Series[float]") -> float:
    """NaN, which comes last, if a seed diverged."""
    return float(values.mean(skipna=False))
