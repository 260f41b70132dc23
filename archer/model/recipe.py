"""What a model is made of, besides its parameters."""

from collections.abc import Sequence
from dataclasses import dataclass

from archer.model.config import ModelConfig
from archer.model.knobs import KnobValues
from archer.rules.peer import Contender


@dataclass(frozen=True)
class Recipe:
    """What a model is made of, besides its parameters.

    knobs: one complete row per member. sweep: knobs that may differ between members. words: each
    member's own vocabulary, at most the config's.
    """

    config: ModelConfig
    rule: Contender
    knobs: Sequence[KnobValues]
    learn: tuple[str, ...]
    sweep: tuple[str, ...]
    chunk_size: int | None
    words: tuple[int, ...]

    @property
    def padded(self) -> bool:
        """Whether some member's vocabulary is smaller than the tensors."""
        return min(self.words) < self.config.vocab_size
