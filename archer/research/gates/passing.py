"""A proposal through all gates: three confined processes, and one check of data by the parent.

parses, names           a process that reads the source and does not run it
traces                  a process that runs the source; its graph comes out, as JSON
valid                   here
shapes ... cost, novel  a process that runs the graph; whether it is new is decided here
"""

import time
from collections.abc import Mapping
from typing import Any

from archer.research.gates.known import Known, why_known
from archer.research.gates.order import GATES, PROBING, READING, SECONDS
from archer.research.gates.valid import validated
from archer.research.proposal import Proposal
from archer.research.sandbox import Limits, Outcome, Run, confine, run
from archer.research.sandbox.text import plain
from archer.research.verdict import Gated, Verdict
from archer.rules.base import RuleError
from archer.rules.graph import RuleGraph

_JOBS = {"reading": "archer.research.gates.reading", "probing": "archer.research.gates.probing"}


def gate(
    proposal: Proposal,
    known: Mapping[str, Known],
    limits: Limits = Limits(),  # noqa: B008
    *,
    seconds: Mapping[str, float] = SECONDS,
) -> Gated:
    """Every gate's verdict, up to the first that refuses. Takes 2 to 5 s.

    known: rules that need not be tried again, by name, as `known_rules()` and those tried before.
    limits: of each confined process. seconds: how long each gate may take. Raises ArcherError
    if no confined process can be started, and nothing for anything the proposal holds.
    """
    passage = _Passage(proposal, limits, seconds)
    if passage.reads() and passage.traces() and passage.is_valid() and passage.probes():
        passage.is_novel(known)
    return passage.result()


class _Passage:
    """One proposal on its way through the gates; each method says whether it passed."""

    def __init__(self, proposal: Proposal, limits: Limits, seconds: Mapping[str, float]) -> None:
        self.proposal, self.limits, self.seconds = proposal, limits, seconds
        self.file = f"{plain(proposal.name, 60)}.py"
        self.verdicts: list[Verdict] = []
        self.protection: tuple[str, ...] = ()
        self.data: dict[str, Any] = {}
        self.graph: RuleGraph | None = None
        self.measured: dict[str, Any] = {}

    def reads(self) -> bool:
        data = {"source": self.proposal.source, "file": self.file}
        ran = self._run("reading", data, READING)
        self.protection = ran.protection
        return self._take(READING, ran)

    def traces(self) -> bool:
        limits = Limits(**{**vars(self.limits), "seconds": self.seconds["traces"]})
        outcome = confine(self.proposal.source, limits, file=self.file)
        self.protection = outcome.protection
        if outcome.graph is None:
            return self._say("traces", False, self._traced_to(outcome), outcome.seconds)
        self.data = outcome.graph
        return self._say("traces", True, "traces to a graph", outcome.seconds)

    def is_valid(self) -> bool:
        started = time.monotonic()
        try:
            self.graph = validated(self.data, self.proposal.name, self.proposal.knobs)
        except RuleError as error:
            reason = plain(error.reason)
            return self._say("valid", False, reason, time.monotonic() - started)
        nodes = sum(len(self.graph.hook(hook).nodes) for hook in ("gate", "local", "write"))
        said = f"{nodes} operations and inputs of the allow-list"
        return self._say("valid", True, said, time.monotonic() - started)

    def probes(self) -> bool:
        """All but the verdict on "novel", whose numbers are taken here."""
        assert self.graph is not None
        data = {"graph": self.graph.to_json(), "knobs": dict(self.proposal.knobs)}
        ran = self._run("probing", data, PROBING)
        for answer in ran.answers:
            self.measured |= {k: answer[k] for k in ("cost", "hash", "behaviour") if k in answer}
        return self._take(PROBING, ran)

    def is_novel(self, known: Mapping[str, Known]) -> None:
        assert self.graph is not None
        taken = self.verdicts.pop()
        own = Known(str(self.measured["hash"]), str(self.measured["behaviour"]))
        why = why_known(self.graph.name, own, known)
        reason = why or f"equal to none of {len(known)} known rules"
        self._say("novel", not why, reason, taken.seconds)

    def result(self) -> Gated:
        said = tuple(self.verdicts)
        passed = len(said) == len(GATES) and bool(said[-1].passed)
        missing = "" if passed else f"not reached: {said[-1].gate!r} failed"
        said += tuple(Verdict(name, None, missing) for name in GATES[len(said) :])
        if not passed:
            return Gated(said, protection=self.protection)
        cost, behaviour = float(self.measured["cost"]), str(self.measured["behaviour"])
        return Gated(said, self.graph, behaviour, cost, self.protection)

    def _run(self, job: str, data: object, gates: tuple[str, ...]) -> Run:
        seconds = [self.seconds[name] for name in gates]
        return run(_JOBS[job], data, seconds=seconds, limits=self.limits)

    def _take(self, gates: tuple[str, ...], ran: Run) -> bool:
        """One verdict per answer; the first that is missing fails with the process's reason."""
        for place, name in enumerate(gates):
            if place == len(ran.answers):
                return self._say(name, False, plain(ran.failure), ran.seconds)
            answer = ran.answers[place]
            took = float(answer.get("seconds", ran.seconds / len(gates)))
            if took > (most := self.seconds[name]):  # told late, though it lay here in time
                return self._say(name, False, f"was not done after {most:g} s, its limit", took)
            reason = plain(answer["reason"])
            line = f"{self.file}:{answer['line']}: " if answer.get("line") else ""
            if not self._say(name, bool(answer["passed"]), line + reason, took):
                return False
        return True

    def _say(self, gate: str, passed: bool, reason: str, seconds: float) -> bool:
        self.verdicts.append(Verdict(gate, passed, reason, seconds))
        return passed

    def _traced_to(self, outcome: Outcome) -> str:
        place = f"{self.file}:{outcome.line}: " if outcome.line else ""
        return place + outcome.error.removeprefix(f"{self.file}: ")
