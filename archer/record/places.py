"""The places of a table: every setting, grid point and seed that any rule of it has.

At chosen rates every setting and seed, each rule at its own lr and weight decay.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from archer.mad.plan import Row
from archer.mad.rates import ChosenRates, rates_of, told_rates
from archer.mad.shared import shared_with
from archer.mad.trial import Trial
from archer.report.record import MISSING

Place = tuple[str, float, float, int]  # setting, lr, weight decay, seed: where in the grid
UNKNOWN = (math.nan, math.nan)  # rates of a rule on a setting that it was never asked for


def place_of(trial: Trial) -> Place:
    return trial.setting.name, trial.lr, trial.weight_decay, trial.seed


def in_order(rows: Sequence[Row], rates: Sequence[ChosenRates]) -> list[Row]:
    """Rule by rule in the order of places: settings as asked, then lr, decay, seed.

    Who is identical to whom is seen across commands.
    """
    rules = _numbered(row.rule for row in rows)
    settings = _numbered(row.trial.setting.name for row in rows)
    ordered = sorted(
        rows,
        key=lambda row: (rules[row.rule], settings[row.trial.setting.name], *place_of(row.trial)),
    )
    same = shared_with([(row.rule, row.trial) for row in ordered], own_rates=bool(rates))
    return [Row(row.rule, row.trial, other) for row, other in zip(ordered, same, strict=True)]


def never_asked(
    frame: pd.DataFrame, rows: Sequence[Row], rates: Sequence[ChosenRates]
) -> list[pd.DataFrame]:
    """Rows for what other rules of the table have and one was never asked for."""
    have = {(row.rule, place_of(row.trial)) for row in rows}
    settings = {row.trial.setting.name: row.trial.setting.task for row in rows}
    fixed = frame.drop_duplicates("rule").set_index("rule")
    columns = ["row", "protocol", "preset", "chunk_size", "dim", "heads", "precision"]
    found = [
        {
            "rule": rule,
            "task": settings[setting],
            "setting": setting,
            "lr": lr,
            "weight_decay": decay,
            "seed": seed,
            "status": MISSING,
            "reason": "never asked for",
            "epochs": 0,
            "steps": 0,
            "device": "none",
            **{name: fixed.loc[rule, name] for name in columns},
            **told_rates(rates, str(rule), setting),
        }
        for rule in fixed.index
        for setting, lr, decay, seed in _needed(str(rule), rows, rates)
        if (rule, (setting, lr, decay, seed)) not in have
    ]
    return [pd.DataFrame(found)] if found else []


def _needed(rule: str, rows: Sequence[Row], rates: Sequence[ChosenRates]) -> list[Place]:
    """What the table needs of a rule."""
    places = [place_of(row.trial) for row in rows]
    if not rates:
        return list(dict.fromkeys(places))
    found = []
    for setting, seed in dict.fromkeys((setting, seed) for setting, _, _, seed in places):
        chosen = rates_of(rates, rule, setting)
        lr, decay = UNKNOWN if chosen is None else chosen.by_setting[setting]
        found.append((setting, lr, decay, seed))
    return found


def in_table_order(frame: pd.DataFrame) -> pd.DataFrame:
    """As `in_order`, of a table whose first rows are in order."""
    order = frame.assign(
        _rule=frame["rule"].map(_numbered(frame["rule"])),
        _setting=frame["setting"].map(_numbered(frame["setting"])),
    )
    keys = ["_rule", "_setting", "lr", "weight_decay", "seed"]
    order = order.sort_values(keys, kind="stable")
    return order.drop(columns=["_rule", "_setting"]).reset_index(drop=True)


def _numbered(names: Iterable[str]) -> Mapping[str, int]:
    """Each name's place among the names, in the order in which they first come."""
    return {name: i for i, name in enumerate(dict.fromkeys(names))}
