"""One rule at one shape: what its kernels read, store and give; `triton_codegen` writes them."""

from dataclasses import dataclass
from functools import cached_property

from archer.memory.emit import Tiling, mixes_values
from archer.rules.graph import HOOKS, Graph, RuleGraph
from archer.rules.vjp import vjp

ONE_WARP = 32  # rows and columns of the tiles that one warp handles well
WARP_GROUP = 64  # rows of a product of Hopper's warp-group matrix units


@dataclass(frozen=True)
class Shape:
    """What one source is written for.

    C: tokens per chunk; block_*: tile sizes (powers of two, 16 or more); d_v is split over
    programs where block_v < d_v. unit: whether q and k are normalised here.
    """

    C: int
    d_k: int
    d_v: int
    block_c: int
    block_k: int
    block_v: int
    bf16: bool
    unit: bool

    @property
    def tiling(self) -> Tiling:
        return Tiling(
            {"C": self.C, "d_k": self.d_k, "d_v": self.d_v},
            {"BC": self.block_c, "BK": self.block_k, "BV": self.block_v},
        )


@dataclass(frozen=True)
class Kernels:
    """One rule at one shape: what its kernels read, store and give.

    learned: knobs that need a gradient.
    """

    rule: RuleGraph
    shape: Shape
    learned: frozenset[str]

    @property
    def has_decay(self) -> bool:
        return self.rule.decay is not None

    @property
    def folded(self) -> bool:
        """Whether X is folded into what reads Y; a gate between the two forbids it."""
        return self.rule.is_default("gate")

    @property
    def single(self) -> bool:
        """Whether one kernel goes forward and one back: what a chunk needs then fits one warp,
        and nothing passes through memory that only they would read."""
        shape = self.shape
        largest = max(shape.block_c, shape.block_k, shape.block_v)
        return largest <= ONE_WARP and shape.block_v >= shape.d_v

    @property
    def rows(self) -> bool:
        """Whether the walks keep S as [d_k, d_v] and what lies between as rows of tokens, as both
        are in memory, or all of it transposed: the tokens of a short chunk are too few rows for
        the warp-group matrix units, d_v are enough."""
        return self.shape.block_c >= WARP_GROUP

    @property
    def keys_last(self) -> bool:
        """Whether only the last products of `gradients`, those that give q̄ and k̄, read q and k."""
        return not self.has_decay and self.rule.is_default("local")

    @property
    def scales(self) -> tuple[str, ...]:
        """What `prepare` stores so that others need no unit q and k."""
        return ("q_scale", "k_scale") if self.shape.unit and not self.single else ()

    @property
    def names(self) -> tuple[str, ...]:
        """The kernels, in the order of their launches."""
        if self.single:
            return "forward", "backward"
        return "prepare", "forward", "adjoint", "gradients"

    @property
    def weights(self) -> tuple[str, ...]:
        """What `prepare` stores of a chunk for the walks, beside X and unit q and k."""
        return ("W", "E") if self.folded else ("L",)

    def _read_by_hooks(self) -> frozenset[str]:
        return frozenset().union(*(self.rule.hook(hook).inputs for hook in HOOKS))

    @cached_property
    def signals(self) -> tuple[str, ...]:
        """Signals that hooks read."""
        read = self._read_by_hooks()
        return tuple(s.name for s in self.rule.signals if f"signal.{s.name}" in read)

    @cached_property
    def knobs(self) -> tuple[str, ...]:
        """Knobs that hooks read."""
        read = self._read_by_hooks()
        return tuple(k.name for k in self.rule.knobs if f"knob.{k.name}" in read)

    @cached_property
    def trained(self) -> tuple[str, ...]:
        """Knobs whose gradient is wanted."""
        return tuple(name for name in self.knobs if name in self.learned)

    @cached_property
    def can_split(self) -> bool:
        """Whether columns of S may be split over programs."""
        return not any(mixes_values(self.rule.hook(hook)) for hook in ("gate", "write"))

    @cached_property
    def vjps(self) -> dict[str, Graph]:
        """Vector-Jacobian products of the hooks."""
        extra = [f"knob.{k}" for k in self.trained] + [f"signal.{s}" for s in self.signals]
        slots = [f"slots.{slot}" for slot in self.rule.slots]
        own = {"gate": ["U"], "local": ["scores"], "write": ["S", "dS", *slots]}
        return {hook: vjp(self.rule.hook(hook), frozenset([*own[hook], *extra])) for hook in HOOKS}

    @cached_property
    def saved_slots(self) -> tuple[str, ...]:
        """Slots whose values the backward pass reads."""
        read = self.vjps["write"].inputs
        return tuple(slot for slot in self.rule.slots if f"slots.{slot}" in read)

    @cached_property
    def adjoint_needs_Y(self) -> bool:  # noqa: N802
        """Whether the backward walk reads the saved Y."""
        write = self.vjps["write"].inputs
        return not self.rule.is_default("gate") or "dS" in write

    @cached_property
    def adjoint_needs_S(self) -> bool:  # noqa: N802
        """Whether the backward walk reads the saved S."""
        return "S" in self.vjps["write"].inputs or self.has_decay
