"""Stand-ins for the loop's parts: a proposer of a family of rules, and gates without a sandbox."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from archer.mad.plan import Population
from archer.mad.results import Results, curves_frame, trials_frame
from archer.mad.trial import Trial
from archer.research.entries import Entry
from archer.research.lab import Lab, Subject
from archer.research.proposal import (
    Candidate,
    History,
    Proposal,
    ProposalError,
    Proposer,
    Spent,
)
from archer.research.verdict import Gated, Verdict
from archer.rules.base import RuleError
from archer.rules.graph import RuleGraph
from archer.rules.load import load_rule
from archer.rules.trace import trace
from archer.store.searched import for_search
from archer.train.results import EpochMetrics, MemberResult, SplitMetrics

SOURCE = '''"""Scaled: what is written is multiplied by {scale}.

    S_n = S_{{n-1}} + {scale} dS_n
"""

from archer import Rule


class {name}(Rule):
    def write(self, S, dS, slots, p):
        return S + {scale} * dS
'''


def scaled(scale: float, name: str = "Scaled") -> str:
    return SOURCE.format(scale=scale, name=name)


class Family(Proposer):
    """Proposes `Scaled` with a factor of its own for every number; `before` may play a trick."""

    name = "family"

    def __init__(self, scales: Sequence[float] = (), spent: Spent | None = None) -> None:
        self.scales, self.cost, self.asked = scales, spent or Spent(), list[int]()

    def ask(self, history: History) -> Proposal:
        self.asked.append(history.number)
        scale = self.scales[history.number] if self.scales else 0.9 - 0.01 * history.number
        if scale < 0:
            raise ProposalError("nothing to offer", self.cost, ({"text": "asked in vain"},))
        return Proposal(
            f"scaled{history.number}",
            "A smaller write leaves more of the old memory.",
            "interference on compression",
            scaled(scale, f"Scaled{history.number}"),
            {"compression": 0.02, "memorization": 0.0},
            (history.parents[0].id,),
            proposer=self.name,
            spent=self.cost,
            dialogue=({"role": "user", "content": "propose"},),
        )


def plain_gate(folder: Path):  # type: ignore[no-untyped-def]
    """Traces the source here: for sources that a test wrote itself."""

    def gate(proposal: Proposal, known: Sequence[Entry]) -> Gated:
        path = folder / f"{hashlib.sha256(proposal.source.encode()).hexdigest()[:12]}.py"
        path.write_text(proposal.source)
        try:
            graph = trace(load_rule(str(path)))
        except RuleError as error:
            return Gated((Verdict("traces", False, error.reason),))
        same = next((e.name for e in known if e.hash == graph.rule_hash), None)
        if same:
            return Gated((Verdict("traces", True, ""), Verdict("novel", False, f"is {same}")))
        passed = (Verdict("traces", True, "ok", 0.1), Verdict("novel", True, "ok"))
        return Gated(passed, graph, graph.rule_hash[:8], 1.2, ("none",))

    return gate


def first(candidates: Sequence[Candidate], seed: int, number: int) -> list[Candidate]:
    """Always delta."""
    return [candidates[0]]


class FakeLab(Lab):
    """Trains nothing: a rule's accuracy follows from the factor it writes with, plus noise.

    The gain over delta is `slope` times (1 - factor); test data say the same as validation data
    but for noise of their own. broken: factors whose training fails; diverging: that diverge.
    """

    slope, broken, diverging = 1.0, frozenset[float](), frozenset[float]()

    def measure(
        self, subjects: Sequence[Subject], stage: str, seeds: int, first: int = 0
    ) -> Results:
        plan = self.plan(subjects, stage, seeds, first)
        outcomes, failures = dict[str, MemberResult](), dict[str, str]()
        for row in plan.rows:
            factor = _factor(row.trial.rule)
            if factor in self.broken:
                failures[row.trial.id] = "RuntimeError: out of memory"
                continue
            outcomes[row.trial.id] = self._result(row.trial, factor)
        trials = trials_frame(plan, outcomes, failures, "cpu")
        return Results(plan, trials, 0.0, "cpu", curves=curves_frame(outcomes))

    found = measure

    def _result(self, trial: Trial, factor: float) -> MemberResult:
        if factor in self.diverging:
            return MemberResult("diverged")
        accuracy = 0.4 + self.slope * (1 - factor)
        history = []
        for epoch in (1, 2):
            both = [
                SplitMetrics(accuracy + _noise(trial, split), 0.5, 1.0, 2.0)
                for split in ("validation", "test")
            ]
            history.append(EpochMetrics(epoch, 3.0 - epoch, *both))
        return MemberResult("finished", 10, 0.1, history, 2)


def _factor(rule: RuleGraph) -> float:
    """The constant a rule of the family writes with; 1 for any other rule."""
    constants = [node.attr for node in rule.write.nodes if node.op == "const"]
    alone = len(rule.write.nodes) == 5 and len(constants) == 1
    return float(constants[0]) if alone and constants[0] is not None else 1.0


def _noise(trial: Trial, split: str) -> float:
    """About 0.002 either way, the same for the same rule, task, seed and split."""
    text = f"{trial.rule.rule_hash} {trial.setting.name} {trial.seed} {split}"
    digest = hashlib.sha256(text.encode()).digest()
    return (digest[0] / 255 - 0.5) * 0.004


class StoringLab(FakeLab):
    """Keeps its made-up results in the store, as a training would."""

    def measure(
        self, subjects: Sequence[Subject], stage: str, seeds: int, first: int = 0
    ) -> Results:
        plan = self.plan(subjects, stage, seeds, first)
        with self.store.begin(for_search(plan), "cpu") as run:
            every = {row.trial.id: row.trial for row in plan.rows}
            ended = self.store.results(sorted(every))
            new = Population(tuple(trial for id, trial in every.items() if id not in ended))
            assert not new.trials or run.claim(new)
            run.finish({t.id: self._result(t, _factor(t.rule)) for t in new.trials})
        return self._results(plan, {})

    found = Lab.found
