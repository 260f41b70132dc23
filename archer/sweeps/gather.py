"""From a store to one sweep: its trials, what is missing of them, and who trained them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from archer.errors import ArcherError
from archer.mad.results import curves_frame
from archer.record.gather import trials_of
from archer.report.record import MISSING
from archer.store import Store
from archer.store.look import trained_by
from archer.sweeps.choose import best_trials
from archer.sweeps.noted import Noted, noted
from archer.sweeps.points import once
from archer.sweeps.results import SweepResults

UNREAD = "test_"  # columns of test data


@dataclass(frozen=True)
class GatheredSweep:
    """A sweep's trials out of a store, with status "missing" for what has not been trained.

    trials: with a column `point`. Test accuracies stand only where the one reading of the test set
    is: in the selected trials of the chosen points and of the default. curves: learning curves,
    without test data. runs: rows of the store's runs that trained or asked for them. untold: points
    that a search has still to suggest.
    """

    noted: Noted
    trials: pd.DataFrame
    curves: pd.DataFrame
    runs: list[dict[str, Any]]
    trained_by: Mapping[str, int]
    untold: int

    @property
    def missing(self) -> int:
        return int((self.trials["status"] == MISSING).sum())


def find_sweep(store: Store, number: int | None = None) -> Noted:
    """The sweep of that number, or the only one. Raises ArcherError."""
    known = noted(store)
    if not known:
        raise ArcherError(
            f"{store.where} says of no sweep what it was: give `archer sweep` its command again; "
            "what is trained stays"
        )
    found = [each for each in known if number in (None, each.number)]
    if len(found) == 1:
        return found[0]
    listed = "; ".join(each.title for each in known)
    if not found:
        raise ArcherError(f"{store.where} holds no sweep {number}: it has {listed}")
    raise ArcherError(f"{store.where} holds several sweeps: choose with --sweep ({listed})")


def gather_sweep(store: Store, found: Noted) -> GatheredSweep:
    """Everything a store has of a sweep. Raises ArcherError as the store does."""
    design = found.sweep.design
    points = once([*found.points, found.sweep.reference])
    plan = design.plan(points)
    ids = sorted({row.trial.id for row in plan.rows})
    outcomes = store.results(ids)
    trials = design.trials(trials_of(store, plan, ids, outcomes), points)
    trials = trials.drop(columns="row")  # points are no rows of one table: nothing reads them so
    by = trained_by(store, ids)
    asked = {
        each["id"]
        for each in store.plans()
        if each["preset"] == plan.preset.name and {row[2] for row in each["rows"]} <= {*ids}
    }
    runs = [run for run in store.runs() if run["id"] in {*by.values()} or run["plan"] in asked]
    curves = curves_frame(outcomes)
    return GatheredSweep(
        found,
        read_once(found, trials),
        curves.drop(columns=list(curves.filter(regex=f"^{UNREAD}"))),
        runs,
        by,
        max(0, found.sweep.trials - len(found.points)),
    )


def read_once(found: Noted, trials: pd.DataFrame) -> pd.DataFrame:
    """Without the test accuracies of all but the chosen points' and the default's best trials."""
    results = results_of(found, trials)
    best, base = best_trials(trials), results.reference.label
    chosen = best["task"].map(results.chosen)
    read = best.index[(best["point"] == base) | (best["point"] == chosen)]
    unread = list(trials.filter(regex=f"^{UNREAD}"))
    trials = trials.copy()
    trials.loc[~trials.index.isin(read), unread] = float("nan")
    return trials


def results_of(found: Noted, trials: pd.DataFrame) -> SweepResults:
    """As `archer sweep` gives them back; the seconds are those of the trainings."""
    own = trials.drop_duplicates("trial")
    ran = own.loc[own["status"] != MISSING, "device"]
    sweep = found.sweep
    return SweepResults(
        design=sweep.design,
        swept=sweep.swept,
        points=tuple(once(found.points)),
        reference=sweep.reference,
        trials=trials,
        seconds=float(own["seconds"].sum()),
        device=", ".join(map(str, ran.unique())) or "nothing",
        search=sweep.kind,
        one_at_a_time=sweep.one_at_a_time,
    )
