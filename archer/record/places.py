"""The places of a table: every setting, grid point and seed that any rule of it has."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from archer.mad.plan import Row
from archer.mad.trial import Trial
from archer.report.record import MISSING

Place = tuple[str, float, float, int]  # setting, lr, weight decay, seed: where in the grid


def place_of(trial: Trial) -> Place:
    return trial.setting.name, trial.lr, trial.weight_decay, trial.seed


def places_of(trials: Iterable[Trial]) -> dict[Place, int]:
    """Every place any rule has, in the order of a plan: settings as asked, then lr, decay, seed."""
    found = dict.fromkeys(place_of(trial) for trial in trials)
    settings = {name: i for i, name in enumerate(dict.fromkeys(place[0] for place in found))}
    order = sorted(found, key=lambda place: (settings[place[0]], *place[1:]))
    return {place: i for i, place in enumerate(order)}


def in_order(rows: Sequence[Row], places: Mapping[Place, int]) -> list[Row]:
    """Rule by rule in the order of places; who is identical to whom is seen across commands."""
    rules = {rule: i for i, rule in enumerate(dict.fromkeys(row.rule for row in rows))}
    ordered = sorted(rows, key=lambda row: (rules[row.rule], places[place_of(row.trial)]))
    first: dict[str, str] = {}
    found = []
    for row in ordered:
        deltas = "delta" in (row.rule, row.identical_to)  # as the plan says, wherever delta stands
        same = row.identical_to if deltas else first.get(row.trial.id)
        found.append(Row(row.rule, row.trial, same))
        first.setdefault(row.trial.id, row.rule)
    return found


def never_asked(
    frame: pd.DataFrame, rows: Sequence[Row], places: Mapping[Place, int]
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
        }
        for rule in fixed.index
        for setting, lr, decay, seed in places
        if (rule, (setting, lr, decay, seed)) not in have
    ]
    return [pd.DataFrame(found)] if found else []


def in_table_order(frame: pd.DataFrame, places: Mapping[Place, int]) -> pd.DataFrame:
    rules = {rule: i for i, rule in enumerate(frame["rule"].unique())}
    keys = zip(frame["setting"], frame["lr"], frame["weight_decay"], frame["seed"], strict=True)
    order = frame.assign(_rule=frame["rule"].map(rules), _place=[places[key] for key in keys])
    order = order.sort_values(["_rule", "_place"], kind="stable")
    return order.drop(columns=["_rule", "_place"]).reset_index(drop=True)
