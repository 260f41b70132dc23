"""Every request to the model passes here: limits before it, a record of it, nothing hostile after.

A transport under the HTTP client of pydantic-ai, so that no retry of anybody's can go around it.
"""

import asyncio
import json
import time
from typing import Any

import httpx2

from archer.research.llm.budget import Budget, BudgetError
from archer.research.llm.exchange import Exchange
from archer.research.llm.patience import RETRIED, Patience
from archer.research.llm.reply import (
    ReplyError,
    clean,
    complaint,
    error_text,
    line,
    parse,
    readable,
    usage,
)
from archer.research.llm.sending import WireError, send, trusted
from archer.research.proposal import Spent

TEMPLATE_TOKENS = 1_024  # what a server's chat template may add to the text sent


class Wire(httpx2.AsyncBaseTransport):
    """Sends one proposal's requests; `exchanges` and `spent` say what they were and used.

    Raises WireError, and nothing else, when there is no answer to be had: the budget forbids the
    request, the server refuses, is too slow, redirects, or answers with what is no answer.
    """

    def __init__(self, budget: Budget, patience: Patience, key: str) -> None:
        self.budget, self.patience, self.key = budget, patience, key
        self.exchanges: list[Exchange] = []
        self._inner = httpx2.AsyncHTTPTransport(verify=trusted())

    @property
    def spent(self) -> Spent:
        """What all requests so far used."""
        return sum((exchange.used for exchange in self.exchanges), Spent())

    @property
    def dialogue(self) -> tuple[dict[str, object], ...]:
        """Every exchange as plain data, in order."""
        return tuple(exchange.plain() for exchange in self.exchanges)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send, and send again after a passing error, within the limits."""
        for attempt in range(1, self.patience.attempts + 1):
            exchange, response, retry_after = await self._attempt(request)
            if response is not None:
                return response
            wait = self.patience.before(attempt + 1, retry_after)
            if wait is None:
                asked = line(retry_after, self.key, 40)
                raise WireError(f"{exchange.error}, and asks to wait {asked}")
            if attempt < self.patience.attempts:
                await asyncio.sleep(wait)
        raise WireError(f"{exchange.error} (after {self.patience.attempts} attempts)")

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()

    async def _attempt(
        self, request: httpx2.Request
    ) -> tuple[Exchange, httpx2.Response | None, str | None]:
        """One request: the response, or None with the Retry-After header if it may pass."""
        body = await request.aread()
        asked = json.loads(body)
        exchange = Exchange(line(request.url, self.key), clean(asked, self.key))
        try:  # a token is at least one byte
            held = self.budget.hold(len(body) + TEMPLATE_TOKENS, _most_output(asked))
        except BudgetError as error:
            raise WireError(str(error)) from error
        exchange.used = held  # in full, until an answer says otherwise
        self.exchanges.append(exchange)
        start = time.monotonic()
        try:
            status, headers, data = await send(
                self._inner, request, self.key, self.patience.request
            )
            exchange.status = status
            response = self._judge(exchange, request, headers, data)
            return exchange, response, headers.get("retry-after")
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            exchange.used = Spent()  # nothing was sent
            exchange.error = f"cannot reach {request.url.netloc.decode()}: {_why(error, self.key)}"
            return exchange, None, None
        except (TimeoutError, httpx2.TimeoutException) as error:
            exchange.error = f"no complete answer within {self.patience.request:g} s"
            raise WireError(exchange.error) from error
        except httpx2.HTTPError as error:
            exchange.error = f"the connection broke: {_why(error, self.key)}"
            return exchange, None, None
        except WireError as error:
            exchange.error = str(error)
            raise
        except BaseException:  # Ctrl-C, or the time for the whole proposal is over
            exchange.error = "given up in the middle"
            raise
        finally:
            exchange.seconds = time.monotonic() - start
            self.budget.settle(held, exchange.used)

    def _judge(
        self, exchange: Exchange, request: httpx2.Request, headers: httpx2.Headers, data: bytes
    ) -> httpx2.Response | None:
        """The response for pydantic-ai, or None if a passing error. Raises WireError."""
        status = exchange.status or 0
        if 200 <= status < 300:
            return self._answer(exchange, request, data)
        exchange.used = Spent()  # nobody bills an error
        exchange.response = readable(data, self.key)
        if 300 <= status < 400:
            target = line(headers.get("location", "nowhere"), self.key, 200)
            raise WireError(f"the server redirects to {target}: give that address as --base-url")
        said = error_text(exchange.response)
        exchange.error = f"the server answers {status}" + (f": {said}" if said else "")
        if status in RETRIED:
            return None
        raise WireError(exchange.error)

    def _answer(self, exchange: Exchange, request: httpx2.Request, data: bytes) -> httpx2.Response:
        try:
            reply = parse(data, self.key)
        except ReplyError as error:
            exchange.response = readable(data, self.key)
            raise WireError(f"the server's answer cannot be used: {error}") from error
        exchange.response = reply
        counts = usage(reply)
        if counts is not None:
            exchange.used = self.budget.price(*counts)
        problem = complaint(reply)
        if problem:
            raise WireError(problem)
        return httpx2.Response(200, json=reply, request=request)


def _most_output(asked: dict[str, Any]) -> int:
    """The limit on output that the request itself states."""
    limit = asked.get("max_completion_tokens", asked.get("max_tokens"))
    if not isinstance(limit, int) or limit < 1 or asked.get("n", 1) != 1 or asked.get("stream"):
        raise WireError("a request without a limit on its answer was not sent")
    return limit


def _why(error: Exception, key: str) -> str:
    return line(error, key) or type(error).__name__
