"""The structured answer asked of the model, and what can be wrong with it."""

from typing import Annotated

from pydantic import BaseModel, Field

from archer.research.llm.source import SourceError, outline, without_fence
from archer.research.proposal import History, Proposal
from archer.rules.load import BUILTIN
from archer.rules.template import WORDS
from archer.rules.validate import is_plain_name

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Answer(BaseModel, extra="forbid"):
    """A new memory update rule with its reasons and its expected effect."""

    name: str = Field(max_length=60, description="snake_case name of the rule, not taken yet")
    motivation: str = Field(min_length=1, max_length=4_000, description="why it should work")
    bottleneck: str = Field(min_length=1, max_length=1_000, description="limitation it addresses")
    source: str = Field(min_length=1, description="the whole rule file, Python")
    knobs: dict[str, Number] = Field(
        default_factory=dict, description="values by knob name where they differ from the defaults"
    )
    expected: dict[str, Number] = Field(
        description="for every task: change of accuracy against the first parent, -1 to 1"
    )


def to_proposal(answer: Answer, history: History, proposer: str) -> Proposal:
    """The answer as a proposal; what it cost is not in it yet."""
    return Proposal(
        name=answer.name.strip(),
        motivation=answer.motivation.strip(),
        bottleneck=answer.bottleneck.strip(),
        source=without_fence(answer.source),
        expected=dict(answer.expected),
        parents=tuple(parent.id for parent in history.parents),
        knobs=dict(answer.knobs),
        proposer=proposer,
    )


def problem(proposal: Proposal, history: History) -> str | None:
    """What the model must put right, for it to read; None if nothing, short of running it."""
    found = _name_problem(proposal.name, history) or _expected_problem(proposal, history.tasks)
    if found:
        return found
    try:
        rule = outline(proposal.source)
    except SourceError as error:
        return f"source: {error}"
    if rule.name != proposal.name:
        return f"name is {proposal.name!r} but the class in source is {rule.name!r}; make them one"
    unknown = [knob for knob in proposal.knobs if knob not in rule.knobs]
    if unknown:
        declared = ", ".join(rule.knobs) or "none"
        return f"knobs: {', '.join(unknown)} not declared in source, which declares: {declared}"
    return None


def _name_problem(name: str, history: History) -> str | None:
    if not is_plain_name(name) or not name.isascii() or name != name.lower():
        return f"name {name!r} is not snake_case, as in slow_momentum"
    if name in {*BUILTIN, *WORDS} or any(name == c.name for c in history.candidates):
        return f"name {name!r} is taken; choose another"
    return None


def _expected_problem(proposal: Proposal, tasks: tuple[str, ...]) -> str | None:
    given = proposal.expected
    missing, extra = [t for t in tasks if t not in given], [t for t in given if t not in tasks]
    if missing or extra:
        return (
            f"expected needs exactly these tasks: {', '.join(tasks)}"
            + (f"; missing: {', '.join(missing)}" if missing else "")
            + (f"; not a task: {', '.join(extra)}" if extra else "")
        )
    wide = [task for task, change in given.items() if not -1 <= change <= 1]
    return f"expected must lie within [-1, 1]: {', '.join(wide)}" if wide else None
