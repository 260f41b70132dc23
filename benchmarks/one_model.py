"""The training step of one ordinary model with flash-linear-attention's DeltaNet as its mixer.

Everything else is the benchmark's: the same backbone, AdamW of PyTorch, bf16 autocast, no CUDA
graph, no population. Given our model's weights it must give our losses: that is its check.
"""

from collections.abc import Callable
from importlib import util

import torch
from step_check import (
    LR,
    WEIGHT_DECAY,
    WORDS,
    extract_first,
    first_batch,
    reference,
    trained,
    worst,
)
from torch import Tensor, nn

from archer.model import ModelConfig, build
from archer.model.backbone import Backbone
from archer.model.fla_layer import FlaLayer
from archer.model.members import extract
from archer.model.mixer import Mixer
from archer.rules.peer import parse_peer
from archer.train.evaluate import member_losses

FLA = "fla:DeltaNet"


def fla_available() -> bool:
    """Whether flash-linear-attention is installed."""
    return util.find_spec("fla") is not None


def fla_model(length: int, like: Backbone, device: str = "cuda") -> Backbone:
    """One model with fla's layer and the weights of `like`, an ordinary model of rule `delta`."""
    config = ModelConfig(vocab_size=WORDS, length=length)
    alone = extract(build(parse_peer(FLA), config, ["member 0"]), 0)
    with torch.no_grad():
        theirs = dict(like.named_parameters())
        for name, mine in alone.named_parameters():
            if name in theirs:  # all but the mixers
                mine.copy_(theirs[name])
        for block, other in zip(alone.blocks, like.blocks, strict=True):
            copy_mixer(block.mixer, other.mixer)
    return alone.to(device)


def copy_mixer(layer: FlaLayer, mixer: Mixer) -> None:
    """Our weights in fla's names and shapes: maps transposed, one convolution for each of q, k, v.

    Raises KeyError if fla's layer has a parameter that ours has not.
    """
    maps, taps = mixer.qkv.weight.chunk(3, 1), mixer.conv.weight.chunk(3, 1)
    values = {
        "b_proj.weight": mixer.beta.linear.weight.T,
        "o_norm.weight": mixer.norm.weight,
        "o_proj.weight": mixer.out.weight.T,
    }
    for name, weight, tap in zip("qkv", maps, taps, strict=True):
        values[f"{name}_proj.weight"] = weight.T
        values[f"{name}_conv1d.weight"] = tap.T.unsqueeze(1)  # [width, D] -> [D, 1, width]
    for name, parameter in layer.layer.named_parameters():
        parameter.copy_(values[name])


def loss_of(module: nn.Module, length: int, device: str, low: bool) -> Callable[[], Tensor]:
    """The mean loss of one model's forward pass on the first batch, [1]."""
    inputs, targets = first_batch(length, device)

    def loss() -> Tensor:
        with torch.autocast(device, torch.bfloat16, enabled=low):
            return member_losses(module(inputs[0]).unsqueeze(0), targets)

    return loss


def fla_errors(length: int) -> float:
    """Largest relative error of its losses over the checked steps, from our first member."""
    module = fla_model(length, extract_first("delta", length))
    found = trained(module, loss_of(module, length, "cuda", True))
    return worst(found, reference("delta", 1, length)[:, :1])


def fla_step(length: int) -> Callable[[], None]:
    """One training step of one model, to be timed."""
    module = fla_model(length, extract_first("delta", length))
    optimizer = torch.optim.AdamW(module.parameters(), lr=LR, weight_decay=WEIGHT_DECAY)
    loss = loss_of(module, length, "cuda", True)

    def step() -> None:
        optimizer.zero_grad()
        loss().sum().backward()
        optimizer.step()

    return step
