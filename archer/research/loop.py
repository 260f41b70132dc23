"""The loop: choose parents, ask, gate, test, record, until the budget is spent.

Every step is in the store before the next begins. Killed at any instant, `run` goes on from the
step that was interrupted: a candidate without verdicts is gated again, training goes on from the
trials that have ended, a proposal that was not recorded is asked for again.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from archer.errors import ArcherError, one_line
from archer.mad.settings import TASKS
from archer.research.entries import Arm, Entry, Session
from archer.research.examine import Examiner
from archer.research.gating import Gate, judged
from archer.research.history import candidates, seen
from archer.research.ledger import Ledger
from archer.research.proposal import (
    Candidate,
    History,
    Proposal,
    ProposalError,
    Proposer,
    Spent,
)
from archer.research.sandbox.text import plain
from archer.research.spending import spent
from archer.research.stages import up_to

Choose = Callable[[Sequence[Candidate], int, int], Sequence[Candidate]]


@dataclass(frozen=True)
class Loop:
    """One session at work.

    proposers: one per arm. gate: judges a proposal beside those known already. choose: parents
    from candidates, seed and number. costs: of built-in rules, relative to delta. say: a line for
    people. analyse: called with the candidates of every generation that has ended. at_once: how
    many proposals are gated side by side.
    """

    ledger: Ledger
    session: Session
    examiner: Examiner
    proposers: Mapping[Arm, Proposer]
    gate: Gate
    choose: Choose
    say: Callable[[str], None]
    analyse: Callable[[Sequence[Entry]], None]
    costs: Mapping[str, float] = field(default_factory=dict)
    at_once: int = 1

    def run(self) -> str:
        """Go on until nothing is left to do; returns why it ended."""
        if not self.proposers["search"].reads_scores:
            self.gather("search")  # a refusal takes seconds, the baselines' training minutes
        if any(map(self.open, self.proposers)):
            self.examiner.baselines()
        while arms := [arm for arm in self.proposers if self.open(arm)]:
            for arm in arms:
                self.generation(arm)
        self.examiner.confirm()
        why = self.spent("search")
        self.ledger.end(self.session, why)
        return why

    def open(self, arm: Arm) -> bool:
        """Whether something is left to do: a candidate to finish, or budget for another."""
        return not self.spent(arm) or any(map(self.due, self.entries(arm)))

    def generation(self, arm: Arm) -> None:
        """One generation: ask for what it lacks, gate it, test it stage by stage."""
        self.gather(arm)
        for stage in up_to(self.session.settings.preset):
            group = [entry for entry in self.latest(arm) if self.due(entry) == stage]
            if group:
                self.examiner.test(group, stage)
        self.analyse(self.latest(arm))

    def gather(self, arm: Arm) -> None:
        """Ask for what the generation at work lacks, and gate it."""
        self.check([entry for entry in self.ask(arm) if self.due(entry) == "gate"])

    def ask(self, arm: Arm) -> list[Entry]:
        """The generation at work, filled up from the proposer while the budget lasts."""
        entries = self.entries(arm)
        batch = self.session.settings.batch
        missing = -len(entries) % batch
        if not missing and not any(map(self.due, entries)):
            missing = batch
        for number in range(len(entries), len(entries) + missing):
            if self.spent(arm):
                break
            self.propose(arm, number)
        return self.latest(arm)

    def propose(self, arm: Arm, number: int) -> None:
        """Ask once and record what came of it, whatever that is."""
        history = self.history(arm, number)
        self.say(f"{arm} {number + 1}: asking for a child of {history.parents[0].name}")
        began = time.perf_counter()
        try:
            proposal = self.proposers[arm].ask(history)
        except ProposalError as error:
            self._nothing(arm, number, str(error), error.spent, error.dialogue)
        except ArcherError:  # a mistake of the user's, such as a missing extra
            raise
        except Exception as error:  # a fault of one proposer must not end the search
            self._nothing(arm, number, one_line(error), Spent(time.perf_counter() - began), ())
        else:
            seconds = time.perf_counter() - began
            proposal = _sound(proposal, history)
            entry = self.ledger.add(self.session, arm, number, proposal, seconds)
            self.say(f"  {entry.id} {entry.name}: {proposal.motivation}")

    def history(self, arm: Arm, number: int) -> History:
        """What the proposer of this arm may know when it is asked for this number."""
        known = candidates(self.ledger, self.session, arm, self.costs)
        seed = self.session.settings.seed
        chosen = arm == "search" and self.proposers[arm].reads_scores
        parents = tuple(self.choose(known, seed, number)) if chosen else known[:1]  # delta
        return History(known, parents, TASKS, number, seed)

    def check(self, group: Sequence[Entry]) -> None:
        """Run the gates on candidates of one arm and record their verdicts."""
        if not group:
            return
        known = [e for e in seen(self.ledger, self.session, group[0].arm) if e.graph is not None]
        for entry, gated, seconds in judged(self.gate, group, known, self.at_once):
            self.ledger.gated(entry, gated, seconds)
            if refused := gated.failed:
                self.say(f"  {entry.id} {entry.name}: refused, {refused.gate}: {refused.reason}")

    def entries(self, arm: Arm) -> list[Entry]:
        return self.ledger.entries(self.session.id, arm)

    def latest(self, arm: Arm) -> list[Entry]:
        """The last generation."""
        entries, batch = self.entries(arm), self.session.settings.batch
        return entries[(len(entries) - 1) // batch * batch :] if entries else []

    def due(self, entry: Entry) -> str | None:
        return entry.next_step(self.session.settings.preset)

    def spent(self, arm: Arm) -> str:
        """Why an arm asks for no more; the control never gets more candidates than the search."""
        settings = self.session.settings
        own = self.entries(arm)
        why = spent(own, settings.budget, settings.device)
        if arm == "control" and not why:
            search = self.entries("search")
            if len(own) >= len(search) and spent(search, settings.budget, settings.device):
                return "the search has ended"
        return why

    def _nothing(
        self, arm: Arm, number: int, reason: str, cost: Spent, dialogue: Sequence[object]
    ) -> None:
        said = tuple(each if isinstance(each, Mapping) else {"text": each} for each in dialogue)
        empty = Proposal(
            "nothing",
            "",
            "",
            "",
            {},
            (),
            proposer=self.proposers[arm].name,
            spent=cost,
            dialogue=said,
        )
        reason = plain(reason)
        self.ledger.add_nothing(self.session, arm, number, empty, reason)
        self.say(f"  no proposal: {reason}")


def _sound(proposal: Proposal, history: History) -> Proposal:
    """The proposal with parents that exist and were tested, and expectations that are numbers."""
    tested = {each.id for each in history.candidates if each.scores}
    parents = tuple(id for id in proposal.parents if id in tested)
    expected = {
        task: min(1.0, max(-1.0, float(change)))
        for task, change in proposal.expected.items()
        if task in history.tasks and math.isfinite(change)
    }
    return replace(proposal, parents=parents or (history.parents[0].id,), expected=expected)
