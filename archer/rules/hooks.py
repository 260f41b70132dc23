"""Helpers for `local`, the hook that weighs the tokens of one chunk."""

from typing import Any


def causal_mask(scores: Any) -> Any:
    """[C, C] mask, true where the key is not later than the query."""
    from archer.rules.functions import causal_mask_of
    from archer.rules.symbol import Symbol

    if isinstance(scores, Symbol):
        return causal_mask_of(scores)
    import torch

    return torch.ones_like(scores, dtype=torch.bool).tril()


def causal_softmax(scores: Any) -> Any:
    """Softmax of each query over the keys that are not later than it, [C, C] -> [C, C]."""
    import torch

    return torch.softmax(torch.where(causal_mask(scores), scores, -1e30), dim=-1)
