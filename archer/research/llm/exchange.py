"""One request to a model and what came of it, for the record."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from archer.research.proposal import Spent


@dataclass
class Exchange:
    """One request and what came of it. No headers, hence no key."""

    url: str
    request: Any
    time: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="milliseconds"))
    seconds: float = 0.0
    status: int | None = None
    response: Any = None
    error: str = ""
    used: Spent = field(default_factory=Spent)

    def plain(self) -> dict[str, object]:
        """As plain data."""
        counted = {name: getattr(self.used, name) for name in ("input_tokens", "output_tokens")}
        return {
            "time": self.time,
            "seconds": round(self.seconds, 3),
            "url": self.url,
            "request": self.request,
            "status": self.status,
            "response": self.response,
            "error": self.error,
            "counted": counted | {"dollars": self.used.dollars},
        }
