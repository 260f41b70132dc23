"""The trials behind a search's scores, and whether the scores are theirs."""

from collections.abc import Iterator, Mapping

import pandas as pd

from archer.errors import ArcherError
from archer.mad.plan import Plan, Row
from archer.mad.presets import preset
from archer.mad.results import curves_frame, trials_frame
from archer.report.record import MISSING
from archer.research.entries import Session
from archer.research.lab import WEEDING_PRECISION, Split, builtin, scores_of, subject
from archer.research.ledger import Ledger
from archer.research.stages import only_weeds
from archer.research.start import lab_of
from archer.rules.load import BUILTIN
from archer.store.store import Store

KEPT_CURVES = ["trial", "epoch", "train_loss", "validation_accuracy", "validation_perplexity"]
SCORE = ["rule", "task", "seed"]


def gather(ledger: Ledger) -> pd.DataFrame:
    """Every trial behind a score, as in trials.csv, of all stages together.

    What test data say of other trials than those read at the end, the search does not know, and
    neither does the record.
    """
    rows: dict[str, dict[tuple[str, str], Row]] = {}
    read: set[tuple[str, str, int]] = set()
    for session in ledger.sessions():
        for stage, row, on_test in _behind(ledger, session):
            rows.setdefault(stage, {}).setdefault((row.rule, row.trial.id), row)
            if on_test:
                read.add((stage, row.rule, row.trial.seed))
    parts = [_frame(ledger.store, stage, [*mine.values()]) for stage, mine in rows.items()]
    if not parts:
        raise ArcherError(f"{ledger.where}: no rule has a score: there is nothing to record")
    found = pd.concat(parts, ignore_index=True)
    places = zip(found["preset"], found["rule"], found["seed"], strict=True)
    fresh = pd.Series([place in read for place in places], index=found.index)
    for column in [name for name in found.columns if name.startswith("test_")]:
        found[column] = found[column].where(fresh)
    return found


def _behind(ledger: Ledger, session: Session) -> Iterator[tuple[str, Row, bool]]:
    """Stage, trial and whether test data were read, of every score of a session."""
    lab = lab_of(ledger, session.settings)
    subjects = {name: builtin(name) for name in BUILTIN}
    subjects |= {e.id: subject(e) for e in ledger.entries() if e.graph is not None}
    for split in ("validation", "test"):
        for stage, told in ledger.scores(session.id, split).groupby("stage", sort=False):
            scored = {(subjects[r].graph.name, seed) for r, seed in _pairs(told)}
            highest = told.groupby("rule", sort=False)["seed"].max()
            for seed in highest.unique():
                chosen = [subjects[str(rule)] for rule in highest.index[highest == seed]]
                for row in lab.plan(chosen, str(stage), int(seed) + 1).rows:
                    if (row.rule, row.trial.seed) in scored:
                        yield str(stage), row, split == "test"


def _pairs(told: pd.DataFrame) -> set[tuple[str, int]]:
    return set(zip(told["rule"], told["seed"], strict=True))


def _frame(store: Store, name: str, rows: list[Row]) -> pd.DataFrame:
    ids = sorted({row.trial.id for row in rows})
    outcomes, states = store.results(ids), store.states(ids)
    failures = {id: reason for id, (status, reason) in states.items() if status == "failed"}
    plan = Plan(preset(name), "strict", (), tuple(rows), ())
    frame = trials_frame(plan, outcomes, failures, "unknown")
    devices = store.devices(ids)
    frame["device"] = [devices.get(id, "none") for id in frame["trial"]]
    known = frame["trial"].isin([*outcomes, *failures])
    return frame.assign(status=frame["status"].where(known, MISSING))


def curves(store: Store, trials: pd.DataFrame) -> pd.DataFrame:
    """Losses and validation metrics of every epoch; test data while training was not looked at."""
    found: pd.DataFrame = curves_frame(store.results(sorted(set(trials["trial"]))))[KEPT_CURVES]
    return found


def contradicted(
    scores: pd.DataFrame, session: Session, trials: pd.DataFrame, names: Mapping[str, str]
) -> str | None:
    """A sentence on the first score of a session that its trials do not give, None if all do."""
    keys = {name: key for key, name in names.items()}
    settings = session.settings
    for (stage, split), told in scores.groupby(["stage", "split"], sort=False):
        weeds = only_weeds(str(stage), settings.preset)
        precision = WEEDING_PRECISION if weeds else settings.precision
        here = trials[(trials["preset"] == stage) & (trials["precision"] == precision)]
        given = scores_of(here, keys, _split(split))
        both = told.merge(given, on=SCORE, how="left", suffixes=("", "_given"))
        both = both.fillna({"accuracy": -1.0, "accuracy_given": -1.0})  # no score
        wrong = both[both["accuracy"] != both["accuracy_given"]]
        for rule, task, seed, ours, theirs in wrong[[*SCORE, "accuracy", "accuracy_given"]].values:
            return (
                f"scores.csv has {ours} for {names.get(rule, rule)} on {task}, {stage}, seed "
                f"{seed}; its trials give {theirs}"
            )
    return None


def _split(name: object) -> Split:
    return "test" if name == "test" else "validation"
