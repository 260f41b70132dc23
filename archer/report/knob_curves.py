"""Curves of knobs: accuracy against a knob's value, and the values that learned knobs end at.

Curves are frames with a row per point and task: columns `point`, `task`, `mean`, `sd`, `n`
(accuracy over seeds), `default` and `selected` (booleans), and one column per swept name with its
value, a number or words ("learned").
"""

import math
import re
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import pandas as pd

from archer.mad.scoring import select
from archer.mad.settings import COLUMNS, TASKS
from archer.report.svg import Axis, Canvas, ticks

LEGEND = (
    "Mean over seeds ± standard deviation over seeds; * marks the chosen value, d the default's."
)
LEARNED = re.compile(r"learned\.(.+)\.layer(\d+)\.head(\d+)")
LEARNED_COLUMNS = ("rule", "knob", "task", "layer", "head", "start", "mean", "sd", "seeds")
LEFT, RIGHT, BOTTOM, TOP = 44, 350, 188, 12
TICK = 34  # pixels that a tick's number takes


def learned_values(trials: pd.DataFrame) -> pd.DataFrame:
    """Where learned knobs ended in the selected trials, per rule, knob, task, layer and head.

    trials: a trials table of one protocol. Columns: LEARNED_COLUMNS; start: the value it was
    trained from; mean and sd over seeds, each seed being the mean over its settings.
    """
    columns = {name: LEARNED.fullmatch(name) for name in trials.columns}
    found = {name: match.groups() for name, match in columns.items() if match}
    if not found:
        return pd.DataFrame(columns=list(LEARNED_COLUMNS))
    mad_lab = trials["protocol"].iloc[0] == "mad-lab"
    chosen = select(trials, "mad-lab" if mad_lab else "strict")
    rows = []
    for (rule, task), cell in chosen.groupby(["rule", "task"], sort=False):
        for name, (knob, layer, head) in found.items():
            if cell[name].isna().all():  # another rule's
                continue
            seeds = cell[["seed", name, f"knob.{knob}"]].dropna().groupby("seed").mean()
            if len(seeds):
                spread = seeds[name].mean(), seeds[name].std(), len(seeds)
                start = seeds[f"knob.{knob}"].mean()
                rows.append((rule, knob, task, int(layer), int(head), start, *spread))
    return pd.DataFrame(rows, columns=list(LEARNED_COLUMNS))


def curve_table(curves: pd.DataFrame) -> pd.DataFrame:
    """The curves as text: a row per point, a column per task (see LEGEND)."""
    tasks = [task for task in TASKS if task in set(curves["task"])]
    cells = {(row["point"], row["task"]): _cell(row) for row in curves.to_dict("records")}
    points = list(dict.fromkeys(curves["point"]))
    text = [[cells.get((point, task), "") for task in tasks] for point in points]
    return pd.DataFrame(text, index=points, columns=[COLUMNS[task] for task in tasks])


def _cell(row: Mapping[Hashable, Any]) -> str:
    mean, sd = float(row["mean"]), float(row["sd"])
    if math.isnan(mean):
        return "no score"
    spread = "" if math.isnan(sd) else f" ±{sd:.3f}"
    marks = "*" * bool(row["selected"]) + "d" * bool(row["default"])
    return f"{mean:.3f}{spread} {marks}".rstrip()


def knob_curve(
    curves: pd.DataFrame, name: str, task: str, *, log: bool = False, line: bool = True
) -> str | None:
    """Accuracy against the values of one swept name on a task, as inline SVG; None without scores.

    log: the axis of values. line: join them; not for a search, where other knobs vary beside it.
    Where several points share a value, the best of them is drawn. Values that are words stand at
    the right.
    """
    here = curves[(curves["task"] == task) & curves["mean"].notna()]
    if here.empty:
        return None
    marked = here["selected"] | here["default"]
    best = here.loc[here.groupby(name, sort=False)["mean"].idxmax()]
    shown = pd.concat([best, here[marked]]).drop_duplicates("point")
    values = pd.to_numeric(shown[name], errors="coerce")
    numbers, words = shown[values.notna()], shown[values.isna()]
    about = "Validation accuracy by value, mean over seeds; bars are one standard deviation."
    canvas = Canvas(360, 240, f"{COLUMNS[task]} by {name}", about)
    y = _heights(canvas, shown)
    wide = RIGHT - 52 * min(3, words[name].nunique())
    places: dict[str, float] = {}
    if len(numbers):
        x = _values(canvas, sorted({float(v) for v in values.dropna()}), wide, log)
        places |= {p: x.at(float(v)) for p, v in zip(numbers["point"], numbers[name], strict=True)}
    places |= _words(canvas, words, name, wide)
    joined = best[best["point"].isin(numbers["point"])]
    if line and len(joined) > 1:
        ordered = sorted((places[p], y.at(m)) for p, m in joined[["point", "mean"]].to_numpy())
        canvas.path(ordered, "line s1")
    for row in shown.to_dict("records"):
        _mark(canvas, y, places[row["point"]], row)
    canvas.text((LEFT + RIGHT) / 2, 232, name, "label")
    return canvas.svg()


def _heights(canvas: Canvas, shown: pd.DataFrame) -> Axis:
    """The y axis: what is there and a margin; curves differ by little."""
    sd = shown["sd"].fillna(0.0)
    low, high = float((shown["mean"] - sd).min()), float((shown["mean"] + sd).max())
    margin = max(0.1 * (high - low), 0.005)
    y = Axis(max(0.0, low - margin), min(1.0, high + margin), BOTTOM, TOP)
    for tick in ticks(y.low, y.high, 4):
        canvas.line(LEFT, y.at(tick), RIGHT, y.at(tick), "grid")
        canvas.text(LEFT - 6, y.at(tick) + 4, f"{tick:.4g}", "tick", "end")
    canvas.line(LEFT, BOTTOM, RIGHT, BOTTOM, "zero")
    return y


def _values(canvas: Canvas, values: Sequence[float], wide: float, log: bool) -> Axis:
    """The x axis, with a tick per value where they are few."""
    x = Axis(values[0], values[-1], LEFT + 16, wide - 16, log=log)
    few = values if len(values) <= 8 else [values[0], values[len(values) // 2], values[-1]]
    last, lower = -math.inf, False
    for value in few:
        lower = not lower and x.at(value) - last < TICK
        last = x.at(value)
        canvas.text(last, 206 + 11 * lower, f"{value:.4g}", "tick")
    return x


def _words(canvas: Canvas, rows: pd.DataFrame, name: str, wide: float) -> dict[str, float]:
    """Places of values that are words, to the right of the numbers."""
    kinds = list(dict.fromkeys(rows[name]))
    step = (RIGHT - wide) / max(1, len(kinds))
    at = {word: round(wide + step * (i + 0.5), 1) for i, word in enumerate(kinds)}
    for i, (word, px) in enumerate(at.items()):
        canvas.text(px, 206 + 11 * (i % 2), str(word).replace("learned from", "from"), "tick")
    return {point: at[word] for point, word in zip(rows["point"], rows[name], strict=True)}


def _mark(canvas: Canvas, y: Axis, px: float, row: Mapping[Hashable, Any]) -> None:
    mean, sd = float(row["mean"]), float(row["sd"])
    kind = "s2" if row["selected"] else "s1"
    if sd > 0:
        ends = (min(y.high, mean + sd), max(y.low, mean - sd))
        canvas.line(px, y.at(ends[0]), px, y.at(ends[1]), f"bar {kind}")
    tip = f"{row['point']}: {_cell(row)}"
    hollow = " hollow" if row["default"] and not row["selected"] else ""
    canvas.marker(px, y.at(mean), 2 if row["selected"] else 0, f"dot {kind}{hollow}", tip)
