"""How many members fit on a device at a time."""

import torch

from archer.model.config import ModelConfig
from archer.rules.graph import RuleGraph

WIDEST = 96  # more members than this no longer raise the rate
SHARE = 0.6  # of the free memory: the rest is for fragments, data and the scoring network
COPIES = 6  # of the parameters in fp32: values, gradients, moments, bf16, partial sums


def fitting(
    rule: RuleGraph, config: ModelConfig, batch_size: int, device: torch.device
) -> int | None:
    """The members that can train side by side; None, for any number, on a CPU."""
    if device.type == "cpu":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    return max(1, min(WIDEST, int(free * SHARE / member_bytes(rule, config, batch_size))))


def member_bytes(rule: RuleGraph, config: ModelConfig, batch_size: int) -> int:
    """Rough peak memory of one member's step with the fused kernels in bf16.

    Per token and block: the stream and its copies, q, k, v before and after the convolution, the
    memory's output and its states, one per chunk and fp32 slot; once: SwiGLU's inner gradients, two
    streams, the logits.
    """
    D, H, K = config.dim, config.heads, config.head_size
    states = H * K * K * (2 + 4 * len(rule.slots)) // rule.chunk_size
    block = 2 * D + 2 * 6 * D + 2 * 2 * D + 2 * 4 * D + states
    once = 2 * 4 * D + 2 * 2 * D + 3 * 2 * config.inner + 2 * 6 * D + 3 * 2 * config.vocab_size
    tokens = batch_size * config.length
    matrices = 4 * D * D + 3 * D * config.inner
    numbers = config.blocks * matrices + 2 * D * config.vocab_size
    return tokens * (config.blocks * block + once) + 4 * COPIES * numbers
