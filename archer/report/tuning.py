"""Knobs of a study: rules whose trials hold several values of a knob, and what was learned."""

from collections.abc import Mapping

import pandas as pd

from archer.mad.scoring import select
from archer.mad.settings import COLUMNS
from archer.mad.trial import SELECTS
from archer.report.knob_curves import curve_table, knob_curve, learned_values
from archer.report.phrases import name
from archer.report.study import Study
from archer.rules.graph import KnobSpec
from archer.rules.load import BUILTIN, builtin_graph

CHOSEN_AMONG = (
    "A trial is scored with the value that the protocol chose for its setting and seed, as it "
    "chooses the learning rate; a rule tried with more values has more to choose from."
)
LEARNED = "In the selected trials, by layer and head: the value trained from, and where it ended."


def tuned(study: Study) -> dict[str, pd.DataFrame]:
    """Curves of every rule that was tried with several values of a knob, by rule.

    As in `archer.report.knob_curves`, over the accuracy that the protocol chooses by; selected:
    the point chosen for most settings and seeds. A task where the knobs do not act has no rows.
    """
    found = {rule: _curves(study, rule, _varied(study, rule)) for rule in study.rules}
    return {rule: curves for rule, curves in found.items() if len(curves)}


def legend(study: Study) -> str:
    """How a curve's cells are to be read."""
    return (
        f"{SELECTS[study.protocol].capitalize()} accuracy, which the protocol chooses by: mean ± "
        "standard deviation over seeds. `*` marks the value chosen most often, `d` the default."
    )


def swept(curves: pd.DataFrame) -> list[str]:
    """Names of what varies, as "momentum.mu"."""
    return [str(column) for column in curves if "." in str(column)]


def curve_text(curves: pd.DataFrame) -> pd.DataFrame:
    """The curves as text: a row per point, a column per task that says what ± is."""
    found = curve_table(curves)
    return found.rename(columns=lambda column: f"{column} ± sd")


def curve_plots(study: Study, rule: str, curves: pd.DataFrame) -> list[tuple[str, str]]:
    """Heading and inline SVG by knob and task; points are joined where one knob varies."""
    specs, names = _specs(study, rule), swept(curves)
    found = []
    for knob in names:
        acting = curves[curves[knob].notna()]
        log = (spec := specs.get(knob.removeprefix(f"{rule}."))) is not None and spec.log
        for task, column in study.tasks.items():
            drawn = knob_curve(acting, knob, task, log=log, line=len(names) == 1)
            if drawn:
                found.append((f"{column} by {knob}", drawn))
    return found


def learned_text(study: Study) -> pd.DataFrame | None:
    """Where learned knobs ended, as text, a row per rule, knob, task, layer and head."""
    found = learned_values(study.trials)
    if found.empty:
        return None
    text = pd.DataFrame(
        {
            "knob": found["knob"],
            "on": found["task"].map(COLUMNS),
            "layer": found["layer"].astype(str),
            "head": found["head"].astype(str),
            "start": found["start"].map("{:.4g}".format),
            "end": found["mean"].map("{:.4f}".format),
            "sd": found["sd"].map(lambda sd: "-" if pd.isna(sd) else f"{sd:.4f}"),
            "seeds": found["seeds"].astype(str),
        }
    )
    return text.set_index(found["rule"].rename(None))


def names_of(curves: pd.DataFrame) -> str:
    """ "`momentum.mu`"."""
    return ", ".join(map(name, swept(curves)))


def _varied(study: Study, rule: str) -> list[str]:
    """Knobs of which the rule's trials hold several values, or learned ones beside fixed ones."""
    mine = study.trials[study.trials["rule"] == rule]
    own = mine.columns[mine.notna().any()]  # other rules' knobs are missing in its rows
    knobs = [str(c).removeprefix("knob.") for c in own if str(c).startswith("knob.")]
    return [knob for knob in knobs if _shown(mine, knob).dropna().nunique() > 1]


def _shown(trials: pd.DataFrame, knob: str) -> "pd.Series[str]":
    """A knob's value in every trial: "0.7" or "learned from 0.7"; missing where it does not act."""
    values = trials[f"knob.{knob}"]
    ends = trials.get(f"learned.{knob}", pd.Series(index=trials.index, dtype=float))
    text = values.map("{:.12g}".format).mask(
        ends.notna(), values.map("learned from {:.12g}".format)
    )
    return text.where(values.notna())


def _curves(study: Study, rule: str, knobs: list[str]) -> pd.DataFrame:
    if not knobs:
        return pd.DataFrame()
    mine = study.trials[study.trials["rule"] == rule]
    shown = {knob: _shown(mine, knob) for knob in knobs}
    mine = mine.assign(**{f"{rule}.{knob}": text for knob, text in shown.items()})
    mine = mine[pd.DataFrame(shown).notna().any(axis=1)]
    mine = mine.sort_values([f"knob.{knob}" for knob in knobs], kind="stable")
    names = [f"{rule}.{knob}" for knob in knobs]
    mine["point"] = [_label(knobs, row) for row in mine[names].to_numpy().tolist()]
    found = _means(mine, study)
    picked = select(mine, study.protocol).groupby("task")["point"].agg(lambda p: p.mode().iloc[0])
    found["selected"] = found["point"] == found["task"].map(picked)
    found = found.merge(mine[["point", *names]].drop_duplicates(), on="point")
    found["default"] = _is_default(found, _specs(study, rule), knobs)
    found[names] = found[names].map(_number)
    return found


def _label(knobs: list[str], values: list[object]) -> str:
    """ "mu=0.7, lr=0.1"."""
    pairs = zip(knobs, values, strict=True)
    return ", ".join(f"{knob}={value}" for knob, value in pairs if isinstance(value, str))


def _means(mine: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Per point and task: mean and sd over seeds, settings being put together within a seed."""
    measure = f"{SELECTS[study.protocol]}_accuracy"
    best = select(mine.assign(rule=mine["point"]), study.protocol)
    order = list(dict.fromkeys(mine["point"]))
    seeds = best.groupby(["point", "task", "seed"])[measure].agg(lambda x: x.mean(skipna=False))
    cells = seeds.groupby(["point", "task"])
    found = pd.DataFrame(
        {"mean": cells.agg(lambda x: x.mean(skipna=False)), "sd": cells.std(), "n": cells.size()}
    )
    return found.reindex(order, level="point").reset_index()


def _specs(study: Study, rule: str) -> dict[str, KnobSpec]:
    """A rule's knobs, as far as they are known."""
    own = study.own.get(rule)
    knobs = builtin_graph(rule).knobs if rule in BUILTIN else own.knobs if own else ()
    return {spec.name: spec for spec in knobs}


def _is_default(
    found: pd.DataFrame, specs: Mapping[str, KnobSpec], knobs: list[str]
) -> "pd.Series[bool]":
    usual = [f"{knob}={specs[knob].default:.12g}" for knob in knobs if knob in specs]
    return found["point"].map(lambda point: bool(usual) and set(point.split(", ")) <= set(usual))


def _number(text: object) -> object:
    """A value as a number where it is one."""
    try:
        return float(str(text))
    except ValueError:
        return text
