"""One proposal's exchange with the model: ask, judge, send back what is wrong, within limits."""

import asyncio
import time
from collections.abc import Callable

import httpx2
from openai import AsyncOpenAI
from pydantic import ValidationError
from pydantic_ai import (
    Agent,
    ModelRetry,
    ModelSettings,
    NativeOutput,
    PromptedOutput,
    ToolOutput,
    UsageLimits,
)
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from archer.research.llm.answer import Answer, problem, to_proposal
from archer.research.llm.endpoint import Endpoint
from archer.research.llm.prompt import mission, state, tokens
from archer.research.llm.reply import line, said
from archer.research.llm.sending import WireError
from archer.research.llm.terms import Terms
from archer.research.llm.wire import Wire
from archer.research.proposal import History, Proposal

MARKERS = {"tool": ToolOutput, "json": NativeOutput, "text": PromptedOutput}
NO_KEY = "none"  # the client insists on one; the wire sends none


class ConversationError(Exception):
    """Why nothing came of it, in one line without the key."""


class Conversation:
    """Holds one conversation; `wire` keeps the record of it."""

    def __init__(
        self,
        endpoint: Endpoint,
        terms: Terms,
        wire: Wire,
        history: History,
        precheck: Callable[[Proposal], str | None] | None,
    ) -> None:
        self.endpoint, self.terms, self.wire = endpoint, terms, wire
        self.history, self.precheck = history, precheck
        self._precheck_error: Exception | None = None

    async def hold(self, proposer: str) -> Proposal:
        """A proposal without fault. Raises ConversationError, and whatever precheck raises."""
        request = state(self.history, self.terms.prompt_tokens - tokens(mission()))
        client = httpx2.AsyncClient(transport=self.wire, timeout=None, trust_env=False)
        agent = self._agent(client)
        limits = UsageLimits(request_limit=self.terms.retries + 1)
        self._clock = asyncio.timeout(self.wire.patience.total)
        try:
            async with client, self._clock:
                run = await agent.run(request, usage_limits=limits)
        except TimeoutError as error:
            raise ConversationError(f"no proposal within {self.wire.patience.total:g} s") from error
        except Exception as error:
            if self._precheck_error:
                raise self._precheck_error from None
            raise ConversationError(self._reason(error)) from error
        return to_proposal(run.output, self.history, proposer)

    def _agent(self, http: httpx2.AsyncClient) -> Agent[object, Answer]:
        agent = Agent(
            self._model(http),
            output_type=MARKERS[self.terms.answer](Answer, name="propose"),
            instructions=mission(),
            retries=self.terms.retries,
            model_settings=self._settings(),
        )
        agent.output_validator(self._judge)
        return agent

    def _model(self, http: httpx2.AsyncClient) -> OpenAIChatModel:
        client = AsyncOpenAI(
            api_key=self.endpoint.key or NO_KEY,
            base_url=self.endpoint.base_url,
            max_retries=0,
            http_client=http,
        )
        return OpenAIChatModel(self.endpoint.model, provider=OpenAIProvider(openai_client=client))

    def _settings(self) -> ModelSettings:
        most = self.terms.max_tokens
        settings = ModelSettings(max_tokens=most)
        if not self.endpoint.is_openai:  # where the older name of the limit is the known one
            settings = ModelSettings(extra_body={"max_tokens": most})
        if self.terms.temperature is not None:
            settings["temperature"] = self.terms.temperature
        return settings

    async def _judge(self, answer: Answer) -> Answer:
        """Send back what is wrong with an answer, or let it pass."""
        proposal = to_proposal(answer, self.history, "")
        wrong = problem(proposal, self.history) or self._prechecked(proposal)
        if wrong:
            raise ModelRetry(wrong)
        return answer

    def _prechecked(self, proposal: Proposal) -> str | None:
        """What the gates say; the clock of the conversation stands still meanwhile."""
        if self.precheck is None:
            return None
        start = time.monotonic()
        try:
            return self.precheck(proposal)
        except Exception as error:
            self._precheck_error = error
            raise
        finally:
            end = self._clock.when()
            if end is not None:
                self._clock.reschedule(end + time.monotonic() - start)

    def _reason(self, error: Exception) -> str:
        """An exception of pydantic-ai in words, without the key."""
        if isinstance(error, WireError):
            return str(error)
        cause = error.__cause__ or error
        problem = cause.errors()[0] if isinstance(cause, ValidationError) else None
        place = ".".join(map(str, problem["loc"])) if problem else ""
        what = f"{place}: {problem['msg']}" if problem else str(cause) or type(cause).__name__
        answers = [exchange.response for exchange in self.wire.exchanges if exchange.response]
        text = line(said(answers[-1]), self.wire.key, 160) if answers else ""
        quoted = f'; it said "{text}"' if text else ""
        return f"no valid proposal in {len(answers)} answers: {line(what, self.wire.key)}{quoted}"
