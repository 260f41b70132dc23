"""What the gates say of a proposal: the contract between gates, sandbox and the loop."""

from dataclasses import dataclass

from archer.rules.graph import RuleGraph


@dataclass(frozen=True)
class Verdict:
    """One gate. passed is None where it was not reached."""

    gate: str
    passed: bool | None
    reason: str
    seconds: float = 0.0


@dataclass(frozen=True)
class Gated:
    """Every gate's verdict, in order; graph and behaviour only if all passed.

    behaviour: the rule's outputs on fixed random inputs, as text; `archer.research.gates.behaviour.
    alike` says of two whether they are equal to 1e-9 (a hash of rounded numbers would differ where
    one lies at the boundary). cost: time per token relative to delta. protection: what confined
    the source.
    """

    verdicts: tuple[Verdict, ...]
    graph: RuleGraph | None = None
    behaviour: str = ""
    cost: float = float("nan")
    protection: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return all(verdict.passed for verdict in self.verdicts)

    @property
    def failed(self) -> Verdict | None:
        """The gate that refused, if any."""
        return next((verdict for verdict in self.verdicts if verdict.passed is False), None)
