"""Where the trials of a store stand, per rule and task."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from archer.mad.best import Best
from archer.mad.settings import Setting
from archer.mad.trial import SELECTS
from archer.store.look import accuracies, descriptions
from archer.store.run import ENDED
from archer.store.store import Store


@dataclass
class Counts:
    """Trials by state; reasons: why those that failed did, with how many."""

    states: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        return self.states.total()

    @property
    def done(self) -> int:
        """Those that have ended, diverged ones among them."""
        return sum(self.states[state] for state in ENDED)

    def add(self, state: str, reason: str) -> None:
        self.states[state] += 1
        if state == "failed":
            self.reasons[reason] += 1


@dataclass
class Asked:
    """All that was asked of a preset under a protocol; a trial two rows share counts in both.

    best: the accuracies so far, on the split that the protocol selects by, named by `split`.
    """

    preset: str
    protocol: str
    cells: dict[tuple[str, str], Counts]
    trials: Counts
    best: Best
    split: str


def status(store: Store) -> list[Asked]:
    """One entry per preset and protocol asked for, in order of the first such plan."""
    rows: dict[tuple[str, str], dict[tuple[str, str, str], None]] = {}
    for plan in store.plans():
        asked = rows.setdefault((plan["preset"], plan["protocol"]), {})
        asked |= dict.fromkeys((rule, task, trial) for rule, task, trial, _ in plan["rows"])
    ids = sorted({trial for asked in rows.values() for _, _, trial in asked})
    states = store.states(ids)
    told = descriptions(store, ids)
    return [_asked(store, *names, list(asked), states, told) for names, asked in rows.items()]


def _asked(
    store: Store,
    preset: str,
    protocol: str,
    rows: list[tuple[str, str, str]],
    states: Mapping[str, tuple[str, str]],
    told: Mapping[str, dict[str, Any]],
) -> Asked:
    split = SELECTS["mad-lab" if protocol == "mad-lab" else "strict"]
    found = Asked(preset, protocol, {}, Counts(), Best(), split)
    ids = sorted({trial for _, _, trial in rows})
    reached = accuracies(store, {id: told[id]["regime"]["stop_accuracy"] for id in ids}, split)
    for rule, task, trial in rows:
        found.cells.setdefault((rule, task), Counts()).add(*states[trial])
        if trial in reached:
            found.best.add(rule, Setting(**told[trial]["setting"]), reached[trial])
    for trial in dict.fromkeys(trial for _, _, trial in rows):
        found.trials.add(*states[trial])
    return found
