"""Tests candidates stage by stage, beside the rules they are held against."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

from archer.errors import ArcherError
from archer.mad.results import Results
from archer.research.bar import NOISE_SEEDS, Bar, bar_of, fresh_from, judge, untrainable
from archer.research.entries import Entry, Session
from archer.research.lab import Lab, Subject, builtin, split_scores, subject
from archer.research.ledger import Ledger
from archer.research.proposal import Outcome
from archer.research.stages import BASELINES, only_weeds, search_stage
from archer.rules.load import BUILTIN

TRAINS = "it trains; nothing is promoted for a smoke score"


@dataclass(frozen=True)
class Examiner:
    """The staged evaluation of one session; everything it finds is in the ledger."""

    ledger: Ledger
    session: Session
    lab: Lab
    say: Callable[[str], None]

    def baselines(self) -> None:
        """The built-in rules on the search stage, for the archive: trained once, then found."""
        self.say(f"the {len(BUILTIN)} built-in rules on {self._search_stage}: trained, or found")
        self._measure([builtin(name) for name in BUILTIN], self._search_stage)

    def test(self, group: Sequence[Entry], stage: str) -> None:
        """Train candidates on a stage side by side and record what becomes of each."""
        self.say(f"  {len(group)} on {stage}, with what they are held against")
        bar = self.bar(stage) if stage != "smoke" else None
        if not only_weeds(stage, self.session.settings.preset):  # an earlier session's parents too
            self._measure(self._compared(group), stage)
        began = time.perf_counter()
        try:
            results = self._measure([subject(entry) for entry in group], stage)
        except KeyboardInterrupt:
            self.ledger.trained(group, (time.perf_counter() - began) / len(group))
            raise
        seconds = (time.perf_counter() - began) / len(group)
        for entry in group:
            outcome, reason = self._verdict(entry, stage, results, bar)
            final = stage == self.session.settings.preset or outcome in ("weeded", "failed")
            self.ledger.judged(entry, outcome, reason, stage, seconds, final)
            self.say(f"  {entry.id} {entry.name}: {reason}")

    def bar(self, stage: str) -> Bar:
        """The bar of a stage, from delta's noise there."""
        subjects = [builtin("delta")]
        results = self.lab.measure(subjects, stage, max(NOISE_SEEDS, self.session.settings.seeds))
        delta = split_scores(results, subjects, "validation")
        self.ledger.scored(self.session, stage, "validation", delta)
        return bar_of(stage, delta, self.session.settings.seeds)

    def confirm(self) -> None:
        """Promoted rules, their parents and the baselines on seeds no choice has seen.

        Only here are scores on test data read.
        """
        settings = self.session.settings
        entries = self.ledger.entries(self.session.id, "search")
        for stage in dict.fromkeys(e.stage for e in entries if e.outcome == "promoted"):
            group = [e for e in entries if e.outcome == "promoted" and e.stage == stage]
            if not settings.claim_seeds:
                continue
            self.say(f"{len(group)} promoted on {stage}: {settings.claim_seeds} fresh seeds each")
            subjects = [*self._compared(group), *(subject(entry) for entry in group)]
            subjects = list({each.key: each for each in subjects}.values())
            first = fresh_from(settings.seeds)
            results = self.lab.measure(subjects, stage, settings.claim_seeds, first)
            found = split_scores(results, subjects, "test")
            self.ledger.scored(self.session, stage, "test", found)

    @property
    def _search_stage(self) -> str:
        return search_stage(self.session.settings.preset)

    def _measure(self, subjects: Sequence[Subject], stage: str) -> Results:
        results = self.lab.measure(subjects, stage, self.session.settings.seeds)
        found = split_scores(results, subjects, "validation")
        self.ledger.scored(self.session, stage, "validation", found)
        return results

    def _compared(self, group: Sequence[Entry]) -> list[Subject]:
        """The baselines and the parents of these candidates."""
        known = {entry.id: entry for entry in self.ledger.entries()}
        names = dict.fromkeys([*BASELINES, *(entry.parent for entry in group)])
        own = {entry.id for entry in group}
        return [
            builtin(name) if name in BUILTIN else subject(known[name])
            for name in names
            if name not in own
        ]

    def _verdict(
        self, entry: Entry, stage: str, results: Results, bar: Bar | None
    ) -> tuple[Outcome, str]:
        broken = untrainable(results, entry.name) if bar is None else _failed(results, entry.name)
        if broken:
            return ("failed" if broken.startswith("training failed") else "weeded"), broken
        if bar is None:
            last = stage == self.session.settings.preset
            return ("trains", TRAINS) if last else ("waiting", "it trains")
        own, delta, parent = (self._own(key, stage) for key in (entry.id, "delta", entry.parent))
        passed, reason = judge(own, delta, parent, bar)
        return ("promoted" if passed else "weeded"), reason

    def _own(self, rule: str, stage: str) -> pd.DataFrame:
        found = self.ledger.scores(self.session.id)
        mine = found[(found["rule"] == rule) & (found["stage"] == stage)]
        if mine.empty:
            raise ArcherError(f"{rule} has no scores on {stage}")
        return mine


def _failed(results: Results, rule: str) -> str:
    trials = results.trials
    failed = trials[(trials["rule"] == rule) & (trials["status"] == "failed")]
    if failed.empty:
        return ""
    return f"training failed: {next(filter(None, failed['reason']), 'no result')}"
