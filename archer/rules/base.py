"""The nouns a rule's author uses: Rule, Knob, Signal (a slot is just a name in `Rule.slots`)."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from archer.errors import ArcherError

EXPECTATIONS = ("up", "down", "same")
ACTIVATIONS = ("sigmoid", "softplus", "tanh", "identity", "log_decay")


class RuleError(ArcherError):
    """A rule that is not valid, with the place in its file where that shows.

    `check` is the name of the check that failed, as `archer check` prints it.
    """

    def __init__(
        self, message: str, *, check: str, line: int | None = None, file: str = ""
    ) -> None:
        self.check, self.line, self.file, self.reason = check, line, file, message
        place = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        super().__init__(place + message)


@dataclass(frozen=True)
class Knob:
    """A number of a rule: fixed, swept (one value per member) or learned.

    default: its value unless set; must lie inside the bounds.
    low, high: inclusive bounds; a learned knob stays inside them through a sigmoid.
    learn: train it, one value per layer and head.
    log: bounds are meant on a log scale (both must be positive).
    """

    default: float
    low: float
    high: float
    learn: bool = False
    log: bool = False

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.low, self.high))):
            raise ArcherError(f"Knob: bounds [{self.low}, {self.high}] must be finite numbers")
        if not self.low < self.high:
            raise ArcherError(f"Knob: low={self.low} must be smaller than high={self.high}")
        if not self.low <= self.default <= self.high:
            raise ArcherError(
                f"Knob: default={self.default} lies outside its bounds [{self.low}, {self.high}]"
            )
        if self.log and self.low <= 0:
            raise ArcherError(f"Knob: log=True needs positive bounds, got low={self.low}")


@dataclass(frozen=True)
class Signal:
    """A per-token, per-head number: a linear map of the hidden state, then an activation.

    activation: one of "sigmoid", "softplus", "tanh", "identity", or "log_decay", which makes the
    signal the log-decay g <= 0 of Gated DeltaNet (a rule has at most one of those).
    """

    activation: str

    def __post_init__(self) -> None:
        if self.activation not in ACTIVATIONS:
            raise ArcherError(
                f"Signal({self.activation!r}): activation must be one of {', '.join(ACTIVATIONS)}"
            )


def check_expects(expects: object, file: str = "") -> tuple[tuple[str, str], ...]:
    """What a rule expects as (task, word), sorted. Raises RuleError for anything else."""
    if not isinstance(expects, Mapping) or not all(
        isinstance(task, str) and word in EXPECTATIONS for task, word in expects.items()
    ):
        wanted = ", ".join(f'"{word}"' for word in EXPECTATIONS)
        reason = f'expects must be as {{"memorization": "up"}}, by task one of {wanted}'
        raise RuleError(reason, check="expectations", file=file)
    return tuple(sorted((task, str(word)) for task, word in expects.items()))


def snake_case(name: str) -> str:
    """`SoftmaxAttention` -> "softmax_attention"."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


class Rule:
    """A memory update rule: subclass it in one file and override the hooks it changes.

    Hooks are pure functions of tensors of *one head and one chunk*; `p` carries knobs as scalars,
    signals as [C] vectors and `p.step`, the number of the chunk in its sequence, from 1.
    With no hook overridden this is DeltaNet (Yang et al. 2024, arXiv 2406.06484); with a
    "log_decay" signal it is Gated DeltaNet (Yang et al. 2024, arXiv 2412.06464).
    """

    slots: ClassVar[tuple[str, ...]] = ()
    # What its author expects against `delta`, by task: "up", "down" or "same". A statement for
    # reports to hold against the measurement; it changes nothing that runs.
    expects: ClassVar[Mapping[str, str]] = MappingProxyType({})
    chunk_size: ClassVar[int] = 32

    def gate(self, U: Any, p: Any) -> Any:
        """What the chunk wants to write, [C, d_v] -> [C, d_v]. Reading uses the ungated U."""
        return U

    def local(self, scores: Any, p: Any) -> Any:
        """Weights inside the chunk, [C, C] (zero above the diagonal) -> [C, C], masked again."""
        return scores

    def write(self, S: Any, dS: Any, slots: Any, p: Any) -> Any:
        """The memory after the chunk: S, dS, slots.x: [d_k, d_v] -> S or (S, {"x": ...})."""
        return S + dS

    @classmethod
    def rule_name(cls) -> str:
        """The class name in snake_case: `SoftmaxAttention` -> "softmax_attention"."""
        return snake_case(cls.__name__)

    @classmethod
    def declared(cls, kind: type) -> dict[str, Any]:
        """Class attributes of one kind (Knob or Signal), in the order of their definition."""
        found: dict[str, Any] = {}
        for base in reversed(cls.__mro__):
            for name, value in vars(base).items():
                if isinstance(value, kind):
                    found[name] = value
                else:
                    found.pop(name, None)
        return found
