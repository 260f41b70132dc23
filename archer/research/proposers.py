"""The proposers by name, put together from a session's options."""

from collections.abc import Callable, Mapping
from typing import Any

from archer.errors import ArcherError
from archer.research.evolution import Evolution, RandomControl
from archer.research.proposal import History, Proposal, ProposalError, Proposer, Spent
from archer.research.settings import Settings

Precheck = Callable[[Proposal], str | None]
Journal = Callable[[Spent], None]
OPTIONS: dict[str, tuple[str, ...]] = {
    "evolution": (),
    "manual": ("rule", "motivation", "expect"),
    "llm": (
        *("model", "base_url", "key_env", "price_in", "price_out", "max_tokens", "tokens"),
        "answer",
    ),
}
NEEDED: dict[str, tuple[str, ...]] = {
    "evolution": (),
    "manual": ("rule", "motivation"),
    "llm": ("model",),
}


def check_options(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options given, without those left out. Raises ArcherError for a wrong or missing one."""
    given = {key: value for key, value in options.items() if value not in (None, {})}
    wrong = [key for key in given if key not in OPTIONS[name]]
    if wrong:
        raise ArcherError(f"{_flag(wrong[0])} is not an option of --proposer {name}")
    missing = [key for key in NEEDED[name] if key not in given]
    if missing:
        raise ArcherError(f"--proposer {name} needs {_flag(missing[0])}")
    return given


def _flag(key: str) -> str:
    return f"--{key.replace('_', '-')}"


def proposer(
    settings: Settings,
    precheck: Precheck | None = None,
    spent: Spent = Spent(),  # noqa: B008
    journal: Journal | None = None,
) -> Proposer:
    """The proposer that a session asks. Raises ArcherError for options that cannot work.

    spent: the most that a language model can have cost so far; journal is told what it becomes.
    """
    options = settings.options
    match settings.proposer:
        case "evolution":
            return Evolution()
        case "manual":
            from archer.research.manual import ManualProposer

            return ManualProposer(
                options["rule"], options["motivation"], options.get("expect") or {}
            )
        case _:
            return _llm(settings, precheck, spent, journal)


class Silent(Proposer):
    """Stands where nothing is left to ask."""

    name = "none"

    def ask(self, history: History) -> Proposal:
        """Raises ProposalError."""
        raise ProposalError("nothing is left to ask")


def control() -> Proposer:
    """The random control."""
    return RandomControl()


def _llm(
    settings: Settings, precheck: Precheck | None, spent: Spent, journal: Journal | None
) -> Proposer:
    from archer.research.llm import Budget, Endpoint, LLMProposer
    from archer.research.llm.terms import Terms

    options = settings.options
    places = {key: options[key] for key in ("base_url", "key_env") if key in options}
    prices = {key: options[key] for key in ("price_in", "price_out", "tokens") if key in options}
    budget = Budget(dollars=settings.budget.dollars, spent=spent, journal=journal, **prices)
    terms = Terms(**{key: options[key] for key in ("max_tokens", "answer") if key in options})
    endpoint = Endpoint(options["model"], **places)
    return LLMProposer(endpoint, budget=budget, precheck=precheck, terms=terms)
