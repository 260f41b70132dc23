"""The proposer that is a person: a rule file with a motivation."""

from collections.abc import Mapping
from pathlib import Path

from archer.errors import ArcherError
from archer.mad.settings import TASKS
from archer.research.llm.source import SourceError, outline
from archer.research.proposal import History, Proposal, ProposalError, Proposer
from archer.rules.load import BUILTIN


class ManualProposer(Proposer):
    """Proposes one rule file, once; the rule's name comes from the file, which is never run here.

    expected: change of accuracy per task, -1 to 1; tasks left out are not predicted. Raises
    ArcherError for a file that holds no rule, a missing motivation or an impossible expectation;
    `ask` raises ProposalError once the file's text is among the candidates.
    """

    name = "manual"
    reads_scores = False

    def __init__(
        self,
        path: str | Path,
        motivation: str,
        expected: Mapping[str, float] | None = None,
        bottleneck: str = "",
    ) -> None:
        self.path = Path(path)
        self.source = _read(self.path)
        self.rule = _rule_name(self.path, self.source)
        self.motivation, self.bottleneck = motivation.strip(), bottleneck.strip()
        self.expected = dict(expected or {})
        if not self.motivation:
            raise ArcherError(f"{path}: say in a motivation why this rule should work")
        unknown = [task for task in self.expected if task not in TASKS]
        if unknown:
            tasks = ", ".join(TASKS)
            raise ArcherError(f"expected: no task {', '.join(unknown)}; the tasks are {tasks}")
        wide = [task for task, change in self.expected.items() if not -1 <= change <= 1]
        if wide:
            raise ArcherError(f"expected change of {', '.join(wide)} must lie within [-1, 1]")

    def ask(self, history: History) -> Proposal:
        """The file as a proposal. Raises ProposalError if it was proposed already."""
        for candidate in history.candidates:
            if candidate.source == self.source:
                raise ProposalError(f"{self.path} was proposed already, as {candidate.id}")
            if candidate.name == self.rule:
                raise ProposalError(f"{self.path}: the name {self.rule!r} is taken; rename it")
        return Proposal(
            name=self.rule,
            motivation=self.motivation,
            bottleneck=self.bottleneck,
            source=self.source,
            expected=self.expected,
            parents=tuple(parent.id for parent in history.parents[:1]),
            proposer=self.name,
        )


def _read(path: Path) -> str:
    if path.suffix != ".py":
        raise ArcherError(f"{path}: not a Python file (its name must end in .py)")
    if path.exists() and not path.is_file():  # of a pipe without a writer one would wait for ever
        raise ArcherError(f"{path} is no file: name the rule's file")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ArcherError(f"{path}: not UTF-8 text") from error
    except OSError as error:
        raise ArcherError(f"cannot read {path}: {error.strerror or error}") from error


def _rule_name(path: Path, source: str) -> str:
    try:
        name = outline(source).name
    except SourceError as error:
        raise ArcherError(f"{path}: {error}") from error
    if name in BUILTIN:
        raise ArcherError(f"{path}: {name!r} is a built-in rule's name; rename the class")
    return name
