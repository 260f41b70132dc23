"""One request over HTTP: bounded in time and size, with no header more than needed."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

import httpx2

LARGEST_ANSWER = 1 << 20  # bytes; an answer with a rule takes about 5,000
SENT_HEADERS = frozenset(
    {"host", "accept", "accept-encoding", "authorization", "connection", "content-length"}
    | {"content-type", "user-agent"}
)


class WireError(Exception):
    """No use in asking on, in one line that never holds the key."""


async def send(
    inner: httpx2.AsyncBaseTransport, request: httpx2.Request, key: str, seconds: float
) -> tuple[int, httpx2.Headers, bytes]:
    """Status, headers and whole body of one request, over whatever `inner` is.

    Raises WireError for a body that is too large or compressed, TimeoutError, httpx2.HTTPError.
    """
    headers = {k: v for k, v in request.headers.items() if k.lower() in SENT_HEADERS}
    headers["accept-encoding"] = "identity"  # what is not compressed cannot explode
    if not key:
        headers.pop("authorization", None)
    plain = httpx2.Request(
        "POST", request.url, headers=headers, content=request.content, extensions=request.extensions
    )
    async with asyncio.timeout(seconds), _unlogged(key):
        response = await inner.handle_async_request(plain)
        try:
            return response.status_code, response.headers, await _read(response)
        finally:
            await response.aclose()


@cache
def trusted() -> ssl.SSLContext:
    """The certificates of the system; reading them takes as long as everything else here."""
    return httpx2.create_ssl_context()


async def _read(response: httpx2.Response) -> bytes:
    """The body as it comes. Raises WireError for more than LARGEST_ANSWER, or if compressed."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise WireError("the server's answer is compressed, which was not asked for")
    parts, size = [], 0
    async for part in response.aiter_raw():
        parts.append(part)
        size += len(part)
        if size > LARGEST_ANSWER:
            raise WireError(f"the server's answer is larger than {LARGEST_ANSWER:,} bytes")
    return b"".join(parts)


@asynccontextmanager
async def _unlogged(key: str) -> AsyncIterator[None]:
    """Keep the key out of the debug log, where the HTTP library writes the server's headers."""

    def without_key(record: logging.LogRecord) -> bool:
        return not key or key not in record.getMessage()

    loggers = [logging.getLogger(f"httpcore2.{name}") for name in ("http11", "connection")]
    for logger in loggers:
        logger.addFilter(without_key)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(without_key)
