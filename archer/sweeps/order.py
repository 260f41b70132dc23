"""The order in which tables show points: ascending, whatever the order they were asked for in.

Points themselves keep the order asked for: ties are resolved by it, and files of records have it.
"""

import pandas as pd

from archer.report.knob_curves import curve_table
from archer.sweeps import words
from archer.sweeps.points import Point, once
from archer.sweeps.results import SweepResults
from archer.sweeps.values import Value

Key = tuple[tuple[int, float], ...]


def ascending(results: SweepResults) -> list[str]:
    """Labels of all points, the default among them: numbers ascending, then words.

    Varied one at a time: first the default, then name by name. Those of a search stay as they were
    tried: what came when is part of what it says.
    """
    points = once([*results.points, results.reference])
    if not results.search:
        points.sort(key=lambda point: _key(point, results))
    return [point.label for point in points]


def curves_text(results: SweepResults) -> pd.DataFrame:
    """The curves as text, in that order."""
    return _ordered(curve_table(results.curves), results)


def learned_text(results: SweepResults) -> pd.DataFrame:
    """Where learned knobs ended, as text, in that order."""
    return _ordered(words.learned(results), results)


def _ordered(table: pd.DataFrame, results: SweepResults) -> pd.DataFrame:
    there = set(table.index)
    return table.loc[[label for label in ascending(results) if label in there]]


def _key(point: Point, results: SweepResults) -> Key:
    names = ["", *(each.name for each in results.swept)]
    group = names.index(point.alone or "") if len(results.swept) > 1 else 0
    return ((group, 0.0), *(_rank(value) for _, value in point.values))


def _rank(value: Value) -> tuple[int, float]:
    return (1, 0.0) if isinstance(value, str) else (0, value)
