"""The proposer that asks a language model."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from archer.errors import ArcherError
from archer.research.llm.budget import Budget
from archer.research.llm.endpoint import Endpoint
from archer.research.llm.patience import Patience
from archer.research.llm.terms import Terms
from archer.research.proposal import History, Proposal, ProposalError, Proposer

Precheck = Callable[[Proposal], str | None]


class LLMProposer(Proposer):
    """Asks a language model through pydantic-ai for one rule at a time.

    budget: shared by all asks and updated by them; its limits are checked before every request.
    precheck: says what is wrong with a proposal, None if nothing (the gates); what it says goes
    back to the model as long as retries last. It may take its time: only the model is on the clock.

    Raises ArcherError without the extra `llm`; `ask` raises ProposalError, with what was spent and
    said, for everything that a model or a server can do wrong. Needs no source to be run.
    """

    name = "llm"

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        budget: Budget | None = None,
        precheck: Precheck | None = None,
        terms: Terms | None = None,
        patience: Patience | None = None,
    ) -> None:
        if not all(find_spec(package) for package in ("pydantic_ai", "openai", "httpx2")):
            raise ArcherError("the llm proposer needs pydantic-ai: pip install 'archer[llm]'")
        self.endpoint, self.precheck = endpoint, precheck
        self.budget = budget or Budget()
        self.terms = terms or Terms()
        self.patience = patience or Patience()

    def ask(self, history: History) -> Proposal:
        """The model's next proposal. Raises ProposalError."""
        from archer.research.llm.conversation import Conversation, ConversationError
        from archer.research.llm.wire import Wire

        start = time.monotonic()
        wire = Wire(self.budget, self.patience, self.endpoint.key)
        conversation = Conversation(self.endpoint, self.terms, wire, history, self.precheck)
        try:
            proposal = _run(conversation.hold(self.name))
        except ConversationError as error:
            spent = replace(wire.spent, seconds=time.monotonic() - start)
            raise ProposalError(str(error), spent, wire.dialogue) from error
        spent = replace(wire.spent, seconds=time.monotonic() - start)
        return replace(proposal, spent=spent, dialogue=wire.dialogue)


def _run(coroutine: Coroutine[Any, Any, Proposal]) -> Proposal:
    """Run to the end, in a thread of its own where a loop is running already (a notebook)."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(coroutine)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()
