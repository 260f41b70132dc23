"""How many members fit on a device at a time."""

import gc

import torch

from archer.model.config import ModelConfig
from archer.rules.graph import HOOKS, RuleGraph
from archer.rules.peer import Contender, Peer
from archer.train.evaluate import EVALUATION_BATCH

WIDEST = 96  # more members than this no longer raise the rate
IN_TURN = 8  # of a layer without a population axis: more cost memory and hardly raise the rate
SHARE = 0.6  # of the free memory: the rest is for fragments, data and the scoring network
SCORED = 1 << 19  # tokens that one scoring pass takes: they fill a GPU
STATES = 8 << 30  # bytes of states that one may keep
COPIES = 6  # of the parameters in fp32: values, gradients, moments, bf16, partial sums
SCORED_AS = 8  # scored sequences cost what one does that is trained on


def fitting(
    rule: Contender, config: ModelConfig, batch_size: int, device: torch.device
) -> int | None:
    """The members that can train side by side; None, for any number, on a CPU, whose workers share
    its memory: who starts them says how many (archer.mad.room)."""
    if device.type == "cpu":
        return None
    gc.collect()  # what an earlier population held, recordings and their memory too
    torch.cuda.empty_cache()
    free, _ = torch.cuda.mem_get_info(device)
    in_turn = isinstance(rule, Peer) and not rule.side_by_side
    most = IN_TURN if in_turn else WIDEST
    return max(1, min(most, int(free * SHARE / member_bytes(rule, config, batch_size))))


def member_bytes(rule: Contender, config: ModelConfig, batch_size: int) -> int:
    """Rough peak memory of one member's step in bf16: of a rule with the fused kernels.

    A peer, or a rule with an output gate, runs by autograd, which keeps more: mixer and SwiGLU with
    every step between them.

    Per token and block: the stream and its copies, q, k, v before and after the convolution, the
    memory's output and its states, one per chunk and fp32 slot; once: SwiGLU's inner gradients, two
    streams, the logits.
    """
    D = config.dim
    plain = 44 * D + 18 * D + 4 * 2 * config.inner
    if isinstance(rule, Peer):
        block = plain if rule.side_by_side else plain + 3 * 44 * D  # what fla's keep is unknown
    else:
        states = state_bytes(rule, config)
        fused = 2 * D + 2 * 6 * D + 2 * 2 * D + 2 * 4 * D
        block = (plain if config.output_gate else fused) + states
    once = 2 * 4 * D + 2 * 2 * D + 3 * 2 * config.inner + 2 * 6 * D + 3 * 2 * config.vocab_size
    tokens = batch_size * config.length
    matrices = 4 * D * D + 3 * D * config.inner
    numbers = config.blocks * matrices + 2 * D * config.vocab_size
    return tokens * (config.blocks * block + once) + 4 * COPIES * numbers


def autograd_bytes(rule: Contender, config: ModelConfig, batch_size: int) -> int:
    """Rough peak memory of one member's step in fp32 by autograd, or of scoring it.

    Fitted to eight contenders on a CPU, see docs/performance.md: per token and block what maps,
    norms, convolutions and SwiGLU keep and pass back, and what every operation of the hooks does.
    """
    per_token = config.blocks * (32 * config.dim + 8 * config.inner) + 3 * config.vocab_size
    if not isinstance(rule, Peer):
        per_token += config.blocks * _hook_numbers(rule, config)
    sequences = max(batch_size, EVALUATION_BATCH // SCORED_AS)
    return 4 * sequences * config.length * per_token


def _hook_numbers(rule: RuleGraph, config: ModelConfig) -> int:
    """Numbers that the operations of the hooks make, for each token of a block."""
    chunk = min(rule.chunk_size, config.length)
    size = {
        ("token", "d_v"): config.dim,
        ("query", "key"): config.heads * chunk,
        ("d_k", "d_v"): config.heads * config.head_size**2 // chunk,
    }
    nodes = (node for name in HOOKS for node in rule.hook(name).nodes if node.op != "input")
    return sum(size.get(node.shape, 0) for node in nodes)


def state_bytes(rule: RuleGraph, config: ModelConfig) -> int:
    """Of the states a block keeps, for each token: one per chunk in bf16 and one per fp32 slot."""
    per_chunk = config.heads * config.head_size**2 * (2 + 4 * len(rule.slots))
    return per_chunk // rule.chunk_size


def scored_at_once(rule: Contender, config: ModelConfig, chunk_size: int | None = None) -> int:
    """Tokens of one scoring pass: fewer where short chunks make many states, to the same scores.

    chunk_size: overrides the rule's.
    """
    if isinstance(rule, Peer):
        return SCORED
    if chunk_size:
        rule = rule.with_chunk_size(chunk_size)
    return min(SCORED, STATES // max(1, state_bytes(rule, config)))
