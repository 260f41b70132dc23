"""Sequences cut into chunks, and put together again. Legend as in `chunkwise`; T length."""

from torch import Tensor
from torch.nn import functional as F  # noqa: N812


def chunks(x: Tensor, C: int) -> Tensor:
    """[N, T, H, D] -> [N, H, M, C, D], the last chunk filled with zeros."""
    N, T, H, D = x.shape
    x = F.pad(x, (0, 0, 0, 0, 0, -T % C))
    return x.view(N, -1, C, H, D).permute(0, 3, 1, 2, 4)


def tokens(x: Tensor, length: int) -> Tensor:
    """[N, H, M, C, D] -> [N, T, H, D]."""
    N, H, M, C, D = x.shape
    return x.permute(0, 2, 3, 1, 4).reshape(N, M * C, H, D)[:, :length]
