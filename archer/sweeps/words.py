"""What a sweep says of itself: its setup, its choice per task, what to keep in mind."""

import math
from dataclasses import replace

import pandas as pd

from archer.report.knob_curves import LEGEND
from archer.sweeps.choose import DEFAULT_CHOSEN, NO_EFFECT, NOT_TOLD
from archer.sweeps.results import SweepResults

METHOD = (
    "A point's value on a task is its validation accuracy, mean over settings, then over seeds.",
    "Per task the point with the highest such mean is chosen; ties go to the default, then to the "
    "earlier point. The chosen value's validation accuracy is the highest of several and so "
    "flatters it; its test accuracy does not.",
    "The test set is read for two points: the chosen one, and the default, which is fixed before "
    "anything is trained. Differences between them are paired over seeds, on test data.",
)


GRID = (
    "Protocol `strict`: per point, setting and seed, learning rate × weight decay are chosen on "
    "validation data."
)
RATES = (
    "Protocol `strict`: per setting, every point and seed is trained at one learning rate × "
    "weight decay, at which `{rule}` had its highest validation accuracy, mean over seeds."
)


def title(results: SweepResults) -> str:
    return f"Sweep of `{results.design.rule.name}`"


def setup(results: SweepResults) -> list[str]:
    """What was varied, over what."""
    design, preset = results.design, results.design.preset
    count = len(results.points)
    how = "one at a time" if results.one_at_a_time else "a grid"
    how = f"{results.search} search" if results.search else how
    names = ", ".join(f"`{each.name}`" for each in results.swept)
    default = replace(results.reference, alone=None).label
    return [
        f"{count} {'point' if count == 1 else 'points'} of {names}, {how}; "
        f"the default is {default}",
        f"preset `{preset.name}` ({preset.about}), protocol `strict`, seeds: {design.seeds}",
        f"{_rates(results)}; {design.precision} on {results.device}",
    ]


def _rates(results: SweepResults) -> str:
    design, preset = results.design, results.design.preset
    if design.rates:
        tasks = len({name.partition("/")[0] for name, *_ in design.rates})
        short = tasks == len(design.rates)  # else several settings of a task
        each = (
            f"{name.partition('/')[0] if short else name} {lr:g} × {decay:g}"
            for name, lr, decay in design.rates
        )
        return f"lr × weight decay, those of `{design.rates_of}`: {', '.join(each)}"
    lrs, decays = preset.lrs, preset.weight_decays
    listed = (", ".join(f"{number:g}" for number in numbers) for numbers in (lrs, decays))
    return "lr {}; weight decay {}".format(*listed)


def method(results: SweepResults) -> list[str]:
    """How this was computed."""
    design = results.design
    return [RATES.format(rule=design.rates_of) if design.rates else GRID, *METHOD]


def notes(results: SweepResults) -> list[str]:
    """What to keep in mind."""
    found = []
    if not results.design.preset.comparable:
        found.append(
            f"Preset `{results.design.preset.name}` is smaller than the published setup: its "
            "numbers are not comparable to published ones."
        )
    if results.design.seeds == 1:
        found.append("One seed: nothing can be told about any difference.")
    elif results.design.seeds == 2:
        found.append("Two seeds: no difference can be called significant.")
    if idle := results.without_effect:
        found.append(
            f"On {', '.join(idle)} what is swept has no effect: all points are identical by "
            "construction, as where a whole sequence fits into one chunk."
        )
    found += _idle_alone(results)
    if failed := int((results.trials["status"] == "failed").sum()):
        found.append(f"{failed} trials failed; the same command tries them again.")
    asked = {point.label for point in results.points}
    if results.reference.label not in asked:
        found.append(
            f"The default ({results.reference.label}) was not asked for: it is trained for "
            "comparison and cannot be chosen."
        )
    return found


def _idle_alone(results: SweepResults) -> list[str]:
    """Where names are varied one at a time: those without effect on a task where others act."""
    idle: dict[str, list[str]] = {}
    for varied in results.swept if results.one_at_a_time else ():
        for task in results.tasks:
            if task not in results.without_effect and not results.acts(varied, task):
                idle.setdefault(task, []).append(f"`{varied.name}`")
    return [
        f"On {task} no value of {', '.join(names)} has an effect, as where a whole sequence fits "
        "into one chunk."
        for task, names in idle.items()
    ]


def selection(results: SweepResults) -> pd.DataFrame:
    """The choice as text, a row per task."""
    rows = {
        row["column"]: [
            row["point"],
            _number(row["validation_accuracy"]),
            _number(row["test_accuracy"]) + _spread(row["test_sd"]),
            _number(row["default_test_accuracy"]),
            _number(row["difference"], "+z.3f"),
            verdict(str(row["verdict"]), row["low"], row["high"]),
        ]
        for row in results.selected.to_dict("records")
    }
    head = ["chosen", "validation", "test", "default's test", "difference", "beyond seed noise?"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=head)


def verdict(word: str, low: float, high: float) -> str:
    """Does the difference exceed the noise of seeds?"""
    if word in (DEFAULT_CHOSEN, NO_EFFECT, NOT_TOLD) or math.isnan(low):
        return word
    answer = {"different": "yes", "equivalent": "no: equivalent"}.get(word, "cannot tell")
    return f"{answer} (95 %: {low:+.3f} to {high:+.3f})"


def learned(results: SweepResults) -> pd.DataFrame:
    """Where learned knobs ended, as text."""
    found = results.learned
    return pd.DataFrame(
        {
            "knob": found["knob"],
            "task": found["task"],
            "layer": found["layer"].astype(str),
            "head": found["head"].astype(str),
            "start": found["start"].map(lambda x: f"{x:.4g}"),
            "end": [
                f"{mean:.4f}" + _spread(sd)
                for mean, sd in found[["mean", "sd"]].itertuples(index=False)
            ],
        },
    ).set_index(found["point"].rename(None))


def chosen(results: SweepResults) -> str:
    """What the numbers beside the choice are."""
    if results.design.seeds == 1:
        return "Chosen on validation data, scored once on test data."
    return (
        "Chosen on validation data, scored once on test data. Means over seeds; ± is the standard "
        "deviation over seeds."
    )


LEARNED = "Where learned knobs ended, mean over seeds ± standard deviation, per layer and head."
CURVES = f"Validation accuracy. {LEGEND}"


def _number(value: float, form: str = ".3f") -> str:
    return "-" if math.isnan(value) else format(value, form)


def _spread(sd: float) -> str:
    return "" if math.isnan(sd) else f" ±{sd:.3f}"
