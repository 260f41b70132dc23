"""The figures of a search as plain data, and whether two sets of them are the same."""

import math
from dataclasses import asdict
from typing import Any

import pandas as pd

from archer.mad.settings import COLUMNS, TASKS
from archer.research.overview import Overview, Standing

CLOSE = 1e-9  # another version of numpy may add up in another order


def figures(overview: Overview) -> dict[str, Any]:
    """Everything that the summary and the pictures are drawn from."""
    found = {
        "session": overview.session.id,
        "stage": overview.stage,
        "tried": overview.tried,
        "rules": [_standing(overview, each) for each in overview.standings.values()],
        "bars": [asdict(bar) for bar in overview.bars],
        "claims": [asdict(claim) for claim in overview.claims],
        "prediction": overview.prediction and asdict(overview.prediction),
        "chance": overview.chance and asdict(overview.chance),
    }
    plain: dict[str, Any] = _plain(found)
    return plain


def _standing(overview: Overview, each: Standing) -> dict[str, Any]:
    e = each.entry
    line = [] if e is None else [overview.name(key) for key in overview.lineage(e.id)[1:]]
    told = {} if e is None else {"id": e.id, "arm": e.arm, "outcome": e.outcome, "lineage": line}
    return {"rule": each.name, "score": each.score, "gap": each.gap, "cost": each.cost, **told}


def _plain(value: Any) -> Any:
    """As JSON gives it back; a number that is none is None."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def difference(ours: Any, written: Any, where: str = "figures") -> str | None:
    """A sentence on the first figure that differs, None where all are equal."""
    if isinstance(ours, dict) and isinstance(written, dict) and ours.keys() == written.keys():
        pairs = [(ours[key], written[key], f"{where}.{key}") for key in ours]
    elif isinstance(ours, list) and isinstance(written, list) and len(ours) == len(written):
        pairs = [(ours[i], written[i], f"{where}[{i}]") for i in range(len(ours))]
    elif _same(ours, written):
        return None
    else:
        return f"figures.json has {written!r} for {where}; the record's rows give {ours!r}"
    return next((told for pair in pairs if (told := difference(*pair))), None)


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=CLOSE, abs_tol=CLOSE)
    return type(a) is type(b) and bool(a == b)


def validation_table(overview: Overview) -> pd.DataFrame:
    """Validation accuracy on the search stage, mean over the seeds of the search: rule by task."""
    seeds = range(overview.session.settings.seeds)
    return _table(overview, overview.validation, overview.stage, seeds)


def fresh_table(overview: Overview, stage: str) -> pd.DataFrame:
    """Test accuracy on fresh seeds: rule by task."""
    tests = overview.tests
    return _table(overview, tests, stage, sorted(tests["seed"].unique()))


def _table(overview: Overview, scores: pd.DataFrame, stage: str, seeds: Any) -> pd.DataFrame:
    here = scores[(scores["stage"] == stage) & scores["seed"].isin(list(seeds))]
    groups = here.groupby(["rule", "task"], sort=False)["accuracy"]
    means = groups.apply(lambda accuracy: accuracy.mean(skipna=False)).unstack("task")
    rules = [key for key in overview.standings if key in means.index]
    table = means.loc[rules, [task for task in TASKS if task in means.columns]]
    table = table.rename(columns=COLUMNS)
    if len(table.columns) == len(TASKS):
        table["Average"] = table.mean(axis=1, skipna=False)
    table.index = pd.Index([overview.name(key) for key in rules], name=None)
    table.columns.name = None
    return table
