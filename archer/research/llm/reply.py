"""A server's answer as plain data: bounded, free of the key, and what is wrong with it."""

import json
import re
from functools import lru_cache
from typing import Any

DEEPEST = 50
SHORTEST_SECRET = 8  # "EMPTY" and the like are placeholders; removing them would garble answers


class ReplyError(Exception):
    """An answer that cannot be used, in one line."""


def clean(value: Any, secret: str = "", depth: int = 0) -> Any:
    """Plain data without the secret and without characters that databases refuse.

    Raises ReplyError for what is nested too deeply.
    """
    if depth > DEEPEST:
        raise ReplyError("its JSON is nested too deeply")
    if isinstance(value, str):
        return _text(value, secret)
    if isinstance(value, dict):
        return {_text(key, secret): clean(item, secret, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [clean(item, secret, depth + 1) for item in value]
    return value


def line(value: object, secret: str = "", most: int = 300) -> str:
    """Anything as one line of printable text, without the secret, cut to a length."""
    flat = "".join(c if c.isprintable() else " " for c in _text(str(value), secret))
    text = " ".join(flat.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def parse(data: bytes, secret: str) -> dict[str, Any]:
    """The JSON object of a response body. Raises ReplyError."""
    try:
        value = clean(json.loads(data.decode(), parse_constant=_refuse_constant), secret)
        json.dumps(value, allow_nan=False)  # 1e999 reads as infinity
    except UnicodeDecodeError as error:
        raise ReplyError("it is not UTF-8") from error
    except RecursionError as error:
        raise ReplyError("its JSON is nested too deeply") from error
    except ValueError as error:
        html = data.lstrip()[:1] == b"<"
        what = "it is HTML; does --base-url end in /v1?" if html else "it is not JSON"
        raise ReplyError(what) from error
    if not isinstance(value, dict):
        raise ReplyError("it is not a JSON object")
    return value


def complaint(reply: dict[str, Any]) -> str | None:
    """Why a reply of status 200 is no answer: an error, a refusal, a filter, cut off."""
    if reply.get("error"):
        return f"the server reports: {line(_message(reply['error']))}"
    choices = reply.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        return "the server's answer holds no choices: is this a chat-completions endpoint?"
    if message.get("refusal"):
        return f"the model refused: {line(message['refusal'])}"
    if choice.get("finish_reason") == "content_filter":
        return "the model's answer was held back by a content filter"
    if choice.get("finish_reason") == "length":
        return "the model's answer was cut off at its limit of tokens: raise --max-tokens"
    return None


def said(reply: Any) -> str:
    """The text of a reply that `complaint` has nothing against; "" for a tool call."""
    content = reply["choices"][0]["message"].get("content") if isinstance(reply, dict) else None
    return content if isinstance(content, str) else ""


def readable(data: bytes, secret: str) -> dict[str, Any] | str:
    """A body for the record: its JSON object if it is one, else the beginning of its text."""
    try:
        return parse(data, secret)
    except ReplyError:
        return line(data.decode(errors="replace"), secret, 2_000)


def error_text(reply: dict[str, Any] | str) -> str:
    """What the body of an error status says, in one line; "" if it is no JSON."""
    if isinstance(reply, str):
        return ""
    return line(_message(reply.get("error") or reply.get("message") or reply.get("detail") or ""))


def usage(reply: dict[str, Any]) -> tuple[int, int] | None:
    """Input and output tokens as reported; None if the report is missing or makes no sense.

    Thinking that a server counts only in the total is output.
    """
    report = reply.get("usage")
    if not isinstance(report, dict):
        return None
    given, made, total = (
        _count(report.get(key)) for key in ("prompt_tokens", "completion_tokens", "total_tokens")
    )
    if not given or made is None:
        return None
    return given, max(made, (total or 0) - given)


def _text(text: str, secret: str) -> str:
    if len(secret) >= SHORTEST_SECRET:
        text = _written(secret).sub("[key]", text)
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


@lru_cache(maxsize=8)
def _written(secret: str) -> re.Pattern[str]:
    """The secret with any character escaped as in JSON, also in JSON inside a string of JSON."""
    escaped = (rf"\\{{0,9}}(?:{re.escape(c)}|(?i:u{ord(c):04x}))" for c in secret)
    return re.compile("".join(escaped))


def _message(error: Any) -> Any:
    return error.get("message", error) if isinstance(error, dict) else error


def _count(value: Any) -> int | None:
    sensible = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**12
    return value if sensible else None


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
