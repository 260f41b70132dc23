"""The sizes of a model."""

from dataclasses import asdict, dataclass
from typing import Any

from archer.errors import ArcherError


@dataclass(frozen=True)
class ModelConfig:
    """Sizes of a MAD model; the defaults are the benchmark's "4 layers" of width 128.

    vocab_size: V, number of token ids.
    length: T, positions of a sequence (the auto-encoder decodes exactly so many).
    dim: D, width of the residual stream.
    heads: H; each head reads keys and values of size D / H.
    blocks: number of [mixer, SwiGLU] pairs.
    autoencoder: the backbone of the compression task instead of the language model.
    conv_width: taps of the causal depthwise convolution on q, k, v.
    norm_eps: added to the mean square in every RMSNorm.
    output_gate: a rule's normed output is multiplied by silu(x W) before the last map. Not part of
        the benchmark's model; flash-linear-attention's GatedDeltaNet has one by default.
    Raises ArcherError if a size is not positive or `heads` does not divide `dim`.
    """

    vocab_size: int
    length: int
    dim: int = 128
    heads: int = 1
    blocks: int = 2
    autoencoder: bool = False
    conv_width: int = 4
    norm_eps: float = 1e-5
    output_gate: bool = False

    def __post_init__(self) -> None:
        for name in ("vocab_size", "length", "dim", "heads", "blocks", "conv_width"):
            if getattr(self, name) < 1:
                raise ArcherError(f"{name} is {getattr(self, name)}; it must be at least 1")
        if self.dim % self.heads:
            raise ArcherError(
                f"{self.heads} heads do not divide dim {self.dim}; choose a number that does"
            )
        if self.autoencoder and (self.dim % 2 or self.dim < 4):
            raise ArcherError(f"the auto-encoder needs an even dim of at least 4, not {self.dim}")

    def to_json(self) -> dict[str, Any]:
        """Plain data; without an output gate that of a time when there was none to have."""
        data = asdict(self)
        return data if self.output_gate else {k: v for k, v in data.items() if k != "output_gate"}

    @property
    def head_size(self) -> int:
        """K, the size of one head's keys and values."""
        return self.dim // self.heads

    @property
    def inner(self) -> int:
        """Inner width of SwiGLU: 8/3 of dim, rounded up to a multiple of 16 (352 for 128)."""
        return -(-(2 * 4 * self.dim // 3) // 16) * 16

    @property
    def linear_std(self) -> float | None:
        """Deviation of the initial linear weights; None is U(-1/sqrt(in), 1/sqrt(in)).

        Source: mad-lab's backbones, which re-draw linear weights only in the auto-encoder.
        """
        return 0.02 if self.autoencoder else None
