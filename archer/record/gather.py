"""From a store to one table: what was asked for, what there is of it, and what is missing."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pandas as pd

from archer.errors import ArcherError
from archer.mad.plan import Plan, Row
from archer.mad.presets import Preset, preset_of_table
from archer.mad.rates import ChosenRates
from archer.mad.results import Results, curves_frame, trials_frame
from archer.mad.settings import TASKS
from archer.mad.trial import PROTOCOL_VERSION, Protocol, Trial, trial_from_json
from archer.record.checks import check_one_choice, check_one_model, check_one_way
from archer.record.own_rules import own_rules_of
from archer.record.places import in_order, in_table_order, never_asked
from archer.record.plans import plans_of
from archer.report.record import MISSING
from archer.store.look import descriptions, trained_by
from archer.store.store import Store


@dataclass(frozen=True)
class Choice:
    """What of a store to take; None or nothing is everything there is."""

    preset: str | None = None
    protocol: str | None = None
    runs: tuple[int, ...] = ()
    rules: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Gathered:
    """One table's trials out of a store.

    trials: as in trials.csv, with status "missing" where a rule lacks a trial that its table needs.
    runs: rows of the store's runs that asked for them or trained them. rules: what `own_rules_of`
    found.
    """

    plan: Plan
    trials: pd.DataFrame
    curves: pd.DataFrame
    runs: list[dict[str, Any]]
    trained_by: Mapping[str, int]
    rules: Mapping[str, dict[str, Any]]

    @cached_property
    def missing(self) -> pd.DataFrame:
        """Rows of the trials that are not there."""
        return self.trials[self.trials["status"] == MISSING]

    @property
    def results(self) -> Results:
        """As a benchmark gives them back; the seconds are those of the trainings."""
        own = self.trials.drop_duplicates("trial")
        device = ", ".join(map(str, own["device"].unique()))
        seconds = float(own["seconds"].sum())
        return Results(self.plan, self.trials, seconds, device, curves=self.curves)


def gather(store: Store, choice: Choice | None = None) -> Gathered:
    """Everything a store has for one table, of all its commands of one preset and protocol.

    Raises ArcherError when that would be two tables: several presets or protocols, one rule run in
    several ways, or models and trainings that differ between rules; and for trials of another
    protocol version.
    """
    choice = choice or Choice()
    plans = plans_of(store, choice)
    wanted = _chosen(plans, choice)
    told = descriptions(store, sorted({id for _, id in wanted}))
    trials = {id: trial_from_json(data) for id, data in told.items()}
    _check_version(store, trials)
    rows = [Row(rule, trials[id], same) for (rule, id), same in wanted.items()]
    rates = _rates(plans, rows)
    check_one_way(rows)
    check_one_choice(rates)
    check_one_model(rows)
    rows = in_order(rows, rates)
    preset, protocol = _preset(plans[0]["preset"]), _protocol(plans[0]["protocol"])
    plan = Plan(preset, protocol, (), tuple(rows), (), rates)
    ids = sorted({row.trial.id for row in rows})
    by, asked = trained_by(store, ids), {plan["id"] for plan in plans}
    runs = [r for r in store.runs() if r["id"] in set(by.values()) or _asked(r, asked, choice)]
    own = own_rules_of(rows, [run for run in runs if _asked(run, asked, choice)], told)
    outcomes = store.results(ids)
    frame = trials_of(store, plan, ids, outcomes)
    whole = pd.concat([frame, *never_asked(frame, rows, rates)], ignore_index=True)
    return Gathered(plan, in_table_order(whole), curves_frame(outcomes), runs, by, own)


def _asked(run: Mapping[str, Any], plans: Collection[str], choice: Choice) -> bool:
    """Whether it is of the runs that asked for the table."""
    return run["plan"] in plans and (not choice.runs or run["id"] in choice.runs)


def _check_version(store: Store, trials: Mapping[str, Trial]) -> None:
    """Raises ArcherError for trials that bear other ids than this Archer gives them.

    Under its own ids they would look as if nobody had trained them.
    """
    if other := sum(trial.id != id for id, trial in trials.items()):
        raise ArcherError(
            f"{other} of {len(trials)} trials in {store.where} were trained under another protocol "
            f"version than this Archer's, {PROTOCOL_VERSION}: choose runs of this one with --runs, "
            "or use the Archer that trained them"
        )


def _chosen(
    plans: Iterable[Mapping[str, Any]], choice: Choice
) -> dict[tuple[str, str], str | None]:
    """Each rule's trials once, by rule and id, without the rules and tasks not chosen.

    Rule by rule, in the order asked for; the values are who a trial is identical to.
    """
    rows = [(rule, task, id, same) for plan in plans for rule, task, id, same in plan["rows"]]
    known = {"rule": [rule for rule, *_ in rows], "task": [task for _, task, *_ in rows]}
    for what, asked in (("rule", choice.rules), ("task", choice.tasks)):
        for name in asked:
            if name not in known[what]:
                has = ", ".join(sorted(set(known[what])))
                raise ArcherError(f"the store holds no trial of {what} {name}: it has {has}")
    found: dict[tuple[str, str], str | None] = {}
    for chosen in choice.rules or dict.fromkeys(known["rule"]):
        for rule, task, id, same in rows:
            if rule == chosen and task in (choice.tasks or TASKS):
                found.setdefault((rule, id), same)
    return found


def _rates(plans: Iterable[Mapping[str, Any]], rows: Sequence[Row]) -> tuple[ChosenRates, ...]:
    """What the plans say of the rates of these rows, each once; none where these are the grid's."""
    settings: dict[str, set[str]] = {}
    for row in rows:
        settings.setdefault(row.rule, set()).add(row.trial.setting.name)
    told = (
        replace(each, rates=tuple(rate for rate in each.rates if rate[0] in settings[each.rule]))
        for plan in plans
        for each in plan["rates"]
        if each.rule in settings
    )
    return tuple(dict.fromkeys(each for each in told if each.rates))


def trials_of(
    store: Store, plan: Plan, ids: Sequence[str], outcomes: Mapping[str, Any]
) -> pd.DataFrame:
    """trials.csv of what was asked for; status "missing" for what has not ended nor failed."""
    states, devices = store.states(ids), store.devices(ids)
    failures = {id: reason for id, (status, reason) in states.items() if status == "failed"}
    frame = trials_frame(plan, outcomes, failures, "unknown")
    frame["device"] = [devices.get(id, "none") for id in frame["trial"]]
    known = frame["trial"].isin([*outcomes, *failures])
    frame["status"] = frame["status"].where(known, MISSING)
    frame["reason"] = frame["reason"].where(known, "not trained yet")
    return frame


def _preset(name: str) -> Preset:
    return preset_of_table(name) or Preset(name, "a preset of its own", ())


def _protocol(name: str) -> Protocol:
    return "mad-lab" if name == "mad-lab" else "strict"
