"""How long to wait for a model, and how often to try again."""

import email.utils
import time
from dataclasses import dataclass

from archer.errors import ArcherError

RETRIED = frozenset({408, 429, 500, 502, 503, 504, 529})


@dataclass(frozen=True)
class Patience:
    """Limits in seconds.

    request: one request until its answer is complete. total: one proposal, with every retry and
    pause. attempts: requests in a row that may fail with a passing error (429, 500 and the like).
    pause: before the second attempt, doubled for each further one. longest_pause: of any pause,
    the server's Retry-After too; a server that asks for more is given up.
    Raises ArcherError if nothing could ever be asked.
    """

    request: float = 180.0
    total: float = 900.0
    attempts: int = 4
    pause: float = 1.0
    longest_pause: float = 60.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or not (self.request > 0 and self.total > 0):
            raise ArcherError("patience needs at least one attempt and times above 0 seconds")

    def before(self, attempt: int, asked: str | None) -> float | None:
        """Seconds to wait before attempt 2, 3, ...; None if the server asks for too many.

        asked: the Retry-After header, seconds or a date.
        """
        own = min(self.pause * 2.0 ** (attempt - 2), self.longest_pause)
        wanted = _seconds(asked) if asked else 0.0
        return None if wanted > self.longest_pause else max(own, wanted)


def _seconds(header: str) -> float:
    """Of a Retry-After header; 0 if it says nothing sensible."""
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(header).timestamp() - time.time()
        except (ValueError, OverflowError, TypeError):
            return 0.0
    return seconds if seconds > 0 else 0.0  # not for NaN either
