"""How a model is asked."""

from dataclasses import dataclass
from typing import Literal

from archer.errors import ArcherError


@dataclass(frozen=True)
class Terms:
    """Settings of one proposal.

    retries: how often a malformed or refused answer goes back to the model with what is wrong.
    max_tokens: of one answer, thinking included. prompt_tokens: of the first request, about.
    answer: "tool" asks for a call of a tool, "json" for the server's JSON-schema mode, "text" for
    JSON in the text, which every server can do. temperature: None leaves it to the server.
    """

    retries: int = 3
    max_tokens: int = 8_000
    prompt_tokens: int = 12_000
    answer: Literal["tool", "json", "text"] = "tool"
    temperature: float | None = None

    def __post_init__(self) -> None:
        if self.retries < 0 or self.max_tokens < 1:
            raise ArcherError("retries must be at least 0 and --max-tokens at least 1")
        if self.prompt_tokens < 4_000:
            raise ArcherError("prompt-tokens must be at least 4000: the instructions alone need it")
