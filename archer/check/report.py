"""What `archer check` found."""

from dataclasses import dataclass

from archer.rules.graph import RuleGraph


@dataclass(frozen=True)
class CheckResult:
    """One check, its verdict and its message in plain words.

    passed is None if it was not run, or not finished, since another failed; the message of a
    failed check begins with the place, as in "my_rule.py:12: local: ...".
    """

    name: str
    passed: bool | None
    message: str
    line: int | None = None

    def __str__(self) -> str:
        return f"{self.name}: {self.message}"


@dataclass(frozen=True)
class CheckReport:
    """Every check of one rule, in order. `graph` is there if the rule could be traced."""

    file: str
    rule: str | None
    results: tuple[CheckResult, ...]
    graph: RuleGraph | None = None

    @property
    def ok(self) -> bool:
        """Whether every check passed."""
        return all(result.passed for result in self.results)

    @property
    def failed(self) -> CheckResult | None:
        """The first check that failed."""
        return next((result for result in self.results if result.passed is False), None)
