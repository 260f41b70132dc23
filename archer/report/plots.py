"""The plots of the page. Each is a function of a study that returns inline SVG."""

import math
from dataclasses import dataclass

import pandas as pd

from archer.report.costs import Cost
from archer.report.difficulty import FIELDS, values_of
from archer.report.facts import AVERAGE
from archer.report.phrases import signed
from archer.report.study import Study
from archer.report.svg import MARKERS, Axis, Canvas, ticks

COLOURS = 8  # classes s0 (the baseline) to s7; more rules use them again with another marker
MOST_POINTS = 60


@dataclass(frozen=True)
class Style:
    """How a rule looks everywhere: a colour class and a marker."""

    colour: str
    marker: int


def styles(study: Study) -> dict[str, Style]:
    """The baseline in neutral grey, the others in the table's order."""
    found, i = {}, 0
    for rule in study.rules:
        if rule == study.baseline:
            found[rule] = Style("s0", 0)
            continue
        found[rule] = Style(f"s{1 + i % (COLOURS - 1)}", (i + 1 + i // (COLOURS - 1)) % MARKERS)
        i += 1
    return found


def profile(study: Study) -> str:
    """Parallel view: one row per task, one line per rule, intervals where there are seeds."""
    columns, look = list(study.tasks.values()), styles(study)
    left, right, step = 96, 424, 52
    canvas = Canvas(
        440,
        30 + step * len(columns) + 26,
        "The tasks, rule by rule",
        "Accuracy of every rule on every task, one row per task; bars are 95 % intervals.",
    )
    values = [f for (_, c), f in study.facts.items() if c in columns]
    ends = [x for f in values for x in (f.score, f.high) if not math.isnan(x)]
    axis = Axis(0.0, _top(ends), left, right)
    bottom = 14 + step * len(columns)
    for tick in ticks(0.0, axis.high):
        canvas.line(axis.at(tick), 10, axis.at(tick), bottom, "grid")
        canvas.text(axis.at(tick), bottom + 16, f"{tick:g}", "tick")
    canvas.text((left + right) / 2, bottom + 33, "accuracy", "label")
    rows = {column: 14 + step * (i + 0.5) for i, column in enumerate(columns)}
    for column, y in rows.items():
        canvas.text(left - 8, y + 4, column, "row", "end")
        canvas.line(left, y + step / 2, right, y + step / 2, "rowline")
    spread = min(7.0, (step - 14) / max(1, len(study.rules)))
    for i, rule in enumerate(study.rules):
        shift = round((i - (len(study.rules) - 1) / 2) * spread, 1)
        canvas.begin(rule)
        cells = [(rows[c] + shift, study.facts[rule, c]) for c in columns]
        cells = [(y, f) for y, f in cells if not math.isnan(f.score)]
        if cells:
            points = [(axis.at(f.score), y) for y, f in cells]
            canvas.path(points, f"thin {look[rule].colour}")
        for y, f in cells:
            if not math.isnan(f.low):
                canvas.line(axis.at(f.low), y, axis.at(f.high), y, f"bar {look[rule].colour}")
            tip = f"{rule}, {f.column}: {f.score:.3f}"
            canvas.marker(axis.at(f.score), y, look[rule].marker, f"dot {look[rule].colour}", tip)
        canvas.end()
    return canvas.svg()


def forest(study: Study, rule: str) -> str | None:
    """One rule's differences to the baseline with their intervals, one row per task."""
    cells = [study.facts[rule, column] for column in study.columns]
    cells = [f for f in cells if not math.isnan(f.difference)]
    if rule == study.baseline or not cells:
        return None
    left, right, step = 96, 396, 24
    canvas = Canvas(
        410,
        20 + step * len(cells) + 34,
        f"{rule}: difference to {study.baseline}",
        "One row per task; bars are 95 % intervals of the paired difference.",
    )
    ends = [abs(x) for f in cells for x in (f.difference, f.d_low, f.d_high) if not math.isnan(x)]
    most = max([*ends, 0.01]) * 1.05
    axis, bottom = Axis(-most, most, left, right), 12 + step * len(cells)
    for tick in ticks(-most, most, 4):
        canvas.line(axis.at(tick), 8, axis.at(tick), bottom, "grid" if tick else "zero")
        canvas.text(axis.at(tick), bottom + 16, f"{tick:+g}" if tick else "0", "tick")
    canvas.text((left + right) / 2, bottom + 33, f"difference to {study.baseline}", "label")
    for i, f in enumerate(cells):
        y = 12 + step * (i + 0.5)
        canvas.text(left - 8, y + 4, f.column, "row", "end")
        sure = f.verdict == "different"
        kind = ("up" if f.difference > 0 else "down") if sure else "unsure"
        if not math.isnan(f.d_low) and not f.identical:
            canvas.line(axis.at(f.d_low), y, axis.at(f.d_high), y, f"bar {kind}")
        tip = f"{f.column}: {signed(f.difference, 4)}, {f.verdict}"
        canvas.marker(axis.at(f.difference), y, 0, f"dot {kind}{' hollow' * (not sure)}", tip)
    return canvas.svg()


def difficulty_plot(study: Study, part: pd.DataFrame, title: str) -> str:
    """Accuracy against one field of a task, easiest on the left.

    part: rows of `archer.report.difficulty.difficulty` of one task and field.
    """
    field, look = str(part["field"].iloc[0]), styles(study)
    values = values_of(part)
    canvas, y = _frame(title, "Accuracy of every rule, the easiest setting on the left.", 1.0)
    x = Axis(-0.3, len(values) - 0.7, 44, 350)
    for i, value in enumerate(values):
        canvas.text(x.at(i), 204, f"{value:g}", "tick")
    canvas.text(197, 222, FIELDS.get(field, field), "label")
    for rule, rows in part.groupby("rule", sort=False):
        style, name = look[str(rule)], str(rule)
        points = [(x.at(values.index(v)), y.at(m)) for v, m in rows[["value", "mean"]].to_numpy()]
        canvas.begin(name)
        canvas.path(points, f"line {style.colour}")
        for (px, py), (low, high, mean, value) in zip(
            points, rows[["low", "high", "mean", "value"]].to_numpy(), strict=True
        ):
            if not math.isnan(low):
                canvas.line(px, y.at(low), px, y.at(high), f"bar {style.colour}")
            tip = f"{name}, {field} {value:g}: {mean:.3f}"
            canvas.marker(px, py, style.marker, f"dot {style.colour}", tip)
        canvas.end()
    return canvas.svg()


def learning_plot(study: Study, task: str, column: str) -> tuple[str, str] | None:
    """Validation accuracy by epoch on the task's first setting, mean over seeds; and its setting.

    A seed that stopped early keeps its last value, so that the mean does not jump.
    """
    chosen = study.selected[study.selected["task"] == task]
    chosen = chosen[chosen["setting"] == chosen["setting"].iloc[0]]
    named = chosen[["rule", "seed", "trial"]].merge(study.curves, on="trial")
    if named.empty or named["epoch"].max() < 2:
        return None
    look = styles(study)
    top = _top([*named["validation_accuracy"].dropna(), 0.0])
    about = "Validation accuracy of the selected trials by epoch, mean over seeds."
    canvas, y = _frame(column, about, top)
    x = Axis(1, float(named["epoch"].max()), 44, 350)
    for tick in ticks(1, x.high):
        if tick == int(tick) and tick >= 1:
            canvas.text(x.at(tick), 204, f"{tick:g}", "tick")
    canvas.text(197, 222, "epoch", "label")
    for rule, rows in named.groupby("rule", sort=False):
        wide = rows.pivot(index="epoch", columns="seed", values="validation_accuracy").ffill()
        means = wide.mean(axis=1).dropna()
        means = means.iloc[:: max(1, len(means) // MOST_POINTS)]
        canvas.begin(str(rule))
        points = [(x.at(float(str(e))), y.at(float(m))) for e, m in means.items()]
        if points:
            style = look[str(rule)]
            canvas.path(points, f"line {style.colour}")
            canvas.marker(*points[-1], style.marker, f"dot {style.colour}", str(rule))
        canvas.end()
    return canvas.svg(), str(chosen["setting"].iloc[0])


def cost_plot(study: Study, known: list[Cost]) -> str | None:
    """Score against milliseconds per step. The score: Average, or the mean of the tasks run."""
    look = styles(study)
    whole = study.table.get(AVERAGE, study.table.mean(axis=1, skipna=False))
    points = [(c.rule, c.per_step, float(whole[study.rows[c.rule]])) for c in known if c.per_step]
    points = [p for p in points if not math.isnan(p[2])]
    if len(points) < 2:
        return None
    about = "Mean accuracy of every rule against the time of one member's step."
    highest = max(score for *_, score in points)
    canvas, y = _frame("Cost against score", about, _top([highest]))
    x = Axis(0.0, max(ms for _, ms, _ in points) * 1.12, 44, 350)
    for tick in ticks(0.0, x.high):
        canvas.text(x.at(tick), 204, f"{tick:g}", "tick")
    canvas.text(197, 222, "milliseconds per step", "label")
    for rule, ms, score in points:
        canvas.begin(rule)
        tip = f"{rule}: {score:.3f}, {ms:.2f} ms"
        canvas.marker(x.at(ms), y.at(score), look[rule].marker, f"dot {look[rule].colour}", tip)
        canvas.end()
    return canvas.svg()


def _frame(title: str, about: str, top: float) -> tuple[Canvas, Axis]:
    """An empty plot with its y axis from 0 to top; x is the caller's, from 44 to 350."""
    canvas = Canvas(360, 228, title, about)
    y = Axis(0.0, top, 188, 12)
    for tick in ticks(0.0, top, 4):
        canvas.line(44, y.at(tick), 350, y.at(tick), "grid" if tick else "zero")
        canvas.text(38, y.at(tick) + 4, f"{tick:g}", "tick", "end")
    return canvas, y


def _top(values: list[float]) -> float:
    """The end of an accuracy axis: 1, or less where everything is small."""
    most = max(values, default=1.0)
    return 1.0 if most > 0.6 else max(0.05, math.ceil(most * 21) / 20)
