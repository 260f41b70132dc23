"""Where the model is: address, name, and the key that goes nowhere else."""

import os
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from archer.errors import ArcherError

OPENAI = "https://api.openai.com/v1"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Endpoint:
    """A model at an OpenAI-compatible address.

    base_url: up to but not with /chat/completions. key_env: environment variable that holds the
    key; may be unset for any server but OpenAI's; "" sends none. Raises ArcherError for an address
    that cannot work or would expose the key.
    """

    model: str
    base_url: str = OPENAI
    key_env: str = "OPENAI_API_KEY"
    key: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.model.strip():
            raise ArcherError("no model named; give its name as the server knows it")
        url = _split(self.base_url)
        key = os.environ.get(self.key_env, "").strip() if self.key_env else ""
        if not (key.isascii() and key.isprintable()):
            raise ArcherError(f"the key in {self.key_env} holds characters that no key can have")
        if not key and self.is_openai:
            raise ArcherError(
                f"no key in the environment variable {self.key_env or 'OPENAI_API_KEY'}: set it, "
                "or name a server that needs none with --base-url"
            )
        if key and url.scheme == "http" and url.hostname not in LOOPBACK:
            raise ArcherError(
                f"the key in {self.key_env} would travel unencrypted to {url.hostname}: use https, "
                'a tunnel to localhost, or --key-env "" to send no key'
            )
        object.__setattr__(self, "key", key)

    @property
    def is_openai(self) -> bool:
        """Whether this is OpenAI's own service, which names some options differently."""
        return urlsplit(self.base_url).hostname == urlsplit(OPENAI).hostname


def _split(base_url: str) -> SplitResult:
    try:
        url = urlsplit(base_url)
        valid = url.scheme in ("http", "https") and url.hostname and (url.port or True)
    except ValueError:
        valid = None
    if not valid:
        raise ArcherError("--base-url is no address; give one like http://localhost:8000/v1")
    if url.username or url.password or url.query or url.fragment:
        raise ArcherError(
            "--base-url must hold no password and no ?query: the key belongs into the environment"
        )
    return url
