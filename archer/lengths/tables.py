"""Errors at three lengths and growth in between, as text, spread over seeds."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from archer.lengths.measured import Measured
from archer.lengths.sequences import KEPT
from archer.stats import Interval, mean_interval

MARKS = ("trained", "since", "end")


@dataclass(frozen=True)
class Errors:
    """One rule's retrieval errors on one kind of sequence.

    at: mean and deviation over seeds by mark. change: end minus trained, per seed, with its
    interval.
    learned: whether the rule knows the task at all.
    """

    rule: str
    at: dict[str, Interval]
    change: Interval
    learned: bool

    @property
    def verdict(self) -> str:
        """What the interval of the change says; one seed or a wide interval says nothing."""
        if not self.learned:
            return "not learned"
        low, high = self.change.low, self.change.high
        if low > 0:
            return "grows"
        if high < 0:
            return "falls"
        return "no change" if low == high == 0 else "cannot tell"


@dataclass(frozen=True)
class Growth:
    """One quantity of one layer between `since` and the end, over seeds.

    first, last: means. ratio: last / first, geometric mean. exponent: slope of log value against
    log position (0: it stays, 1: it grows as fast as the sequence). Not a number where a value is
    zero or not finite.
    """

    rule: str
    layer: int
    quantity: str
    first: float
    last: float
    ratio: float
    exponent: Interval


def errors(measured: Measured, bindings: str) -> list[Errors]:
    """Every rule's errors."""
    found = []
    for rule in measured.rules:
        curve, marks = measured.curve(rule, bindings, "error", None), measured.marks(rule)
        at = {name: mean_interval(curve.loc[marks[name]]) for name in MARKS}
        change = mean_interval(curve.loc[marks["end"]] - curve.loc[marks["trained"]], bounds=None)
        found.append(Errors(rule, at, change, learned(measured, rule)))
    return found


def learned(measured: Measured, rule: str) -> bool:
    """Whether its error on the trained length, bindings kept, is at most half of guessing."""
    curve = measured.curve(rule, KEPT, "error", None)
    return bool(curve.loc[measured.marks(rule)["trained"]].mean() <= measured.chance / 2)


def growth(measured: Measured, bindings: str) -> list[Growth]:
    """Every rule, layer and quantity that has a size."""
    found = []
    for rule in measured.rules:
        slots = [f"slot.{name}" for name in measured.facts["slots"][rule]]
        for quantity in ("memory", *slots, "output"):
            for layer in range(measured.facts["layers"]):
                curve = measured.curve(rule, bindings, quantity, layer)
                start = measured.marks(rule)["since"]
                found.append(_growth(rule, layer, quantity, curve.loc[start:]))
    return found


def _growth(rule: str, layer: int, quantity: str, curve: pd.DataFrame) -> Growth:
    values = curve.to_numpy(float)
    first, last = float(values[0].mean()), float(values[-1].mean())
    good = np.isfinite(values).all() and (values > 0).all()
    if not good:
        nothing = mean_interval([math.nan])
        return Growth(rule, layer, quantity, first, last, math.nan, nothing)
    logs = np.log(values)
    slopes = np.polyfit(np.log(curve.index.to_numpy(float)), logs, 1)[0]
    ratio = math.exp(float((logs[-1] - logs[0]).mean()))
    return Growth(rule, layer, quantity, first, last, ratio, mean_interval(slopes, bounds=None))


def error_table(measured: Measured, bindings: str) -> pd.DataFrame:
    """A row per rule: the error where the trained length, `since` and the sequence end."""
    heads = [f"at {places(measured, name)}" for name in MARKS]
    change = f"{places(measured, 'end')} minus {places(measured, 'trained')}"
    rows = {
        each.rule: [*(_spread(each.at[name]) for name in MARKS), _change(each), each.verdict]
        for each in errors(measured, bindings)
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=[*heads, change, "verdict"])


def growth_table(measured: Measured, bindings: str) -> pd.DataFrame:
    """A row per rule, quantity and layer."""
    heads = [f"at {places(measured, name)}" for name in ("since", "end")]
    rows = {
        f"{each.rule}, {each.quantity}, layer {each.layer}": [
            _size(each.first),
            _size(each.last),
            _size(each.ratio),
            _spread(each.exponent, 2),
        ]
        for each in growth(measured, bindings)
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=[*heads, "ratio", "exponent"])


def places(measured: Measured, mark: str) -> str:
    """A mark's position; where chunks of odd sizes put it elsewhere for some rules, all of them."""
    found = sorted({measured.marks(rule)[mark] for rule in measured.rules})
    return " or ".join(f"{at:,}" for at in found)


def _spread(interval: Interval, digits: int = 3) -> str:
    """ "0.012 ± 0.004", mean and standard deviation over seeds."""
    if math.isnan(interval.mean):
        return "-"
    mean = f"{interval.mean:z.{digits}f}"
    return mean if math.isnan(interval.sd) else f"{mean} ± {interval.sd:.{digits}f}"


def _change(errors: Errors) -> str:
    change = errors.change
    mean = "-" if math.isnan(change.mean) else f"{change.mean:+z.3f}"
    if math.isnan(change.low):
        return mean
    return f"{mean} ({change.low:+z.3f} to {change.high:+z.3f})"


def _size(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3g}"
