"""What a language model may use, kept before each request and not only noticed after it."""

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from archer.errors import ArcherError
from archer.research.proposal import Spent


class BudgetError(Exception):
    """The next request could pass a limit, so it must not be sent."""


@dataclass
class Budget:
    """Limits that hold over many proposals; pass what earlier ones used as `spent`.

    tokens: limit of input and output tokens together. dollars: limit of money. None: no limit.
    price_in, price_out: dollars per million tokens of input and output; 0 for a server of yours.
    journal: told the most that can have been spent by now, before each request and after it; who
    stores that and passes it back as `spent` keeps the limit even if killed in the middle.
    `hold` and `settle` may be called from several threads. Raises ArcherError for a limit that
    cannot work.
    """

    tokens: int | None = 1_000_000
    dollars: float | None = None
    price_in: float = 0.0
    price_out: float = 0.0
    spent: Spent = field(default_factory=Spent)
    journal: Callable[[Spent], None] | None = None
    _held: list[Spent] = field(default_factory=list, init=False, repr=False)
    _lock: threading.RLock = field(default_factory=threading.RLock, init=False, repr=False)

    def __post_init__(self) -> None:
        if not (0 <= self.price_in < math.inf and 0 <= self.price_out < math.inf):
            raise ArcherError("prices per million tokens must be numbers from 0 up")
        if self.dollars is not None and self.price_in == self.price_out == 0:
            raise ArcherError(
                "a limit in dollars needs the model's prices per million tokens: give --price-in "
                "and --price-out, or limit the tokens instead"
            )
        if not all(limit is None or limit >= 0 for limit in (self.tokens, self.dollars)):
            raise ArcherError("a limit of tokens or dollars must be a number from 0 up")

    def price(self, input_tokens: int, output_tokens: int) -> Spent:
        """That many tokens, with what they cost."""
        dollars = (input_tokens * self.price_in + output_tokens * self.price_out) / 1e6
        return Spent(0.0, input_tokens, output_tokens, dollars)

    def hold(self, input_tokens: int, output_tokens: int) -> Spent:
        """Set aside the most that a request can use. Raises BudgetError if a limit forbids it."""
        with self._lock:
            most = self.price(input_tokens, output_tokens)
            used = self._reached()
            after = used + most
            if self.tokens is not None and _tokens(after) > self.tokens:
                raise BudgetError(
                    f"token limit: {_tokens(used):,} of {self.tokens:,} are used or set aside and "
                    f"the next request could take {_tokens(most):,}"
                )
            if self.dollars is not None and after.dollars > self.dollars:
                raise BudgetError(
                    f"cost limit: ${used.dollars:.4f} of ${self.dollars:.2f} are used or set aside "
                    f"and the next request could cost ${most.dollars:.4f}"
                )
            self._held.append(most)
            self._tell()
            return most

    def settle(self, held: Spent, used: Spent) -> None:
        """Replace what `hold` set aside by what the request used."""
        with self._lock:
            place = next(i for i, item in enumerate(self._held) if item is held)
            del self._held[place]
            self.spent += used
            self._tell()

    def _reached(self) -> Spent:
        return sum(self._held, self.spent)

    def _tell(self) -> None:
        if self.journal is not None:
            self.journal(self._reached())


def _tokens(spent: Spent) -> int:
    return spent.input_tokens + spent.output_tokens
