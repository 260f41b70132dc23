"""Layers of flash-linear-attention as mixers: one ordinary layer, called for each member in turn.

Legend: P members, B batch, T length, N = B * T tokens, D dim.
"""

import difflib
import importlib
import inspect
import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from archer.errors import ArcherError, one_line
from archer.model.config import ModelConfig
from archer.model.init import generator
from archer.rules.peer import FLA, Option, Peer

FIXED = ("hidden_size", "layer_idx", "num_hidden_layers")  # what the model decides, not the user


def check_available(peer: Peer, device: str) -> None:
    """Raises ArcherError if the layer cannot run: no GPU, no fla, no such layer or option."""
    _refuse_processor(peer, device)
    layer_class(peer)


def layer_class(peer: Peer) -> type[nn.Module]:
    """The class in `fla.layers`. Raises ArcherError for an unknown one or unknown options."""
    layers = _library()
    name = peer.layer.removeprefix(FLA)
    if name not in layers.__all__:
        near = difflib.get_close_matches(name, layers.__all__, n=3, cutoff=0.4)
        hint = f"did you mean {' or '.join(FLA + each for each in near)}?" if near else ""
        known = hint or f"it has {', '.join(layers.__all__)}"
        raise ArcherError(f"flash-linear-attention has no layer {name!r}: {known}")
    found: type[nn.Module] = getattr(layers, name)
    allowed = [each for each in _parameters(found) if each not in FIXED]
    for option, _ in peer.options:
        if option not in allowed:
            raise ArcherError(f"{peer.layer} has no option {option!r}; it has {', '.join(allowed)}")
    return found


def make_layer(peer: Peer, config: ModelConfig) -> nn.Module:
    """One layer for one member, drawn from PyTorch's present random state. Raises ArcherError."""
    kind = layer_class(peer)
    arguments = sizes(_parameters(kind), config, dict(peer.options))
    try:
        return kind(**arguments)
    except Exception as error:
        shown = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        raise ArcherError(f"{peer.layer}({shown}) cannot be made: {one_line(error)}") from error


def sizes(
    parameters: Mapping[str, inspect.Parameter], config: ModelConfig, given: Mapping[str, Option]
) -> dict[str, Any]:
    """Arguments of a layer: the model's width and heads wherever it takes them, then `given`.

    A layer with `expand` has heads of expand * D / H numbers. Every layer is the first of its
    model (`layer_idx` 0), since none hears of another.
    """
    expand: Any = given.get("expand", _default(parameters, "expand", 1))
    width = int(expand * config.dim)
    heads: Any = given.get("num_heads", config.heads)
    size: Any = given.get("head_dim", max(1, width // heads))
    if "head_dim" in given and "num_heads" not in given:
        heads = max(1, width // size)
    chosen = {
        "hidden_size": config.dim,
        "num_heads": heads,
        "head_dim": size,
        "num_kv_heads": heads,
        "num_key_value_heads": heads,
        "intermediate_size": 2 * config.dim,  # Mamba's
        "layer_idx": 0,
        "num_hidden_layers": max(2, config.blocks),
    }
    if "num_heads" in parameters:  # the size of a key in the layers that have both
        chosen["expand_ratio"] = config.dim // heads
    return {name: value for name, value in chosen.items() if name in parameters} | dict(given)


class FlaLayer(nn.Module):
    """A layer of fla as a mixer, [..., N, D] -> [..., N, D]; its parameters are [P, ...].

    There is no population axis inside: members follow each other. Raises ArcherError on a
    processor, where Triton's kernels do not run.
    """

    def __init__(self, peer: Peer, config: ModelConfig, members: int | None) -> None:
        super().__init__()
        self.peer, self.config, self.members = peer, config, members
        with torch.random.fork_rng(devices=[]):
            self.layer = make_layer(peer, config)
        if members is not None:
            _stack(self.layer, members)

    def draw(self, place: str, streams: Sequence[str]) -> None:
        """Initial values, in place: each member's layer is made anew from its own stream.

        The layer draws as fla has it, but the auto-encoder redraws linear weights, as mad-lab
        does.
        """
        mine = dict(self.layer.named_parameters())
        for member, stream in enumerate(streams):
            with torch.random.fork_rng(devices=[]), _hushed():
                torch.manual_seed(generator(stream, place).initial_seed())
                fresh = make_layer(self.peer, self.config)
                if self.config.linear_std is not None:
                    _redraw(fresh, self.config.linear_std)
            for name, values in fresh.named_parameters():
                mine[name][member] = values.detach()

    def forward(self, x: Tensor, length: int) -> Tensor:
        _refuse_processor(self.peer, x.device.type)
        batches = x.reshape(self.members or 1, -1, length, x.shape[-1])
        if self.members is None:
            return self._checked(self.layer(batches[0]), batches[0]).reshape(x.shape)
        rows = {name: values.unbind() for name, values in self.layer.named_parameters()}
        outputs = []
        for member, batch in enumerate(batches):
            own = {name: values[member] for name, values in rows.items()}
            found = torch.func.functional_call(self.layer, own, (batch,))
            outputs.append(self._checked(found, batch))
        return torch.stack(outputs).view(x.shape)

    def _checked(self, output: Any, x: Tensor) -> Tensor:
        """The hidden states among what a layer returns."""
        first = output[0] if isinstance(output, tuple) else output
        if not isinstance(first, Tensor) or first.shape != x.shape:
            got = f"shape {list(first.shape)}" if isinstance(first, Tensor) else repr(type(first))
            raise ArcherError(f"{self.peer.name} returns {got}, not {list(x.shape)}: no mixer")
        return first


def _refuse_processor(peer: Peer, device: str) -> None:
    interpreted = os.environ.get("TRITON_INTERPRET") == "1"  # stands in for a GPU, slowly
    if device == "cpu" and not interpreted:
        raise ArcherError(
            f"{peer.name} needs a GPU: flash-linear-attention's kernels do not run on a processor"
        )


def _library() -> Any:
    """`fla.layers`. Raises ArcherError where it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of libraries that only some layers want
            return importlib.import_module("fla.layers")
    except ImportError as error:
        raise ArcherError(
            f"flash-linear-attention does not import ({one_line(error)}): pip install 'archer[fla]'"
        ) from error


def _parameters(kind: type[nn.Module]) -> dict[str, inspect.Parameter]:
    """The named arguments a layer is made with."""
    every = inspect.signature(kind).parameters
    return {name: each for name, each in every.items() if each.kind is not each.VAR_KEYWORD}


def _default(parameters: Mapping[str, inspect.Parameter], name: str, otherwise: Any) -> Any:
    return parameters[name].default if name in parameters else otherwise


def _stack(layer: nn.Module, members: int) -> None:
    """Gives every parameter a leading population axis; a shared one stays shared."""
    stacked: dict[int, nn.Parameter] = {}
    for module in layer.modules():
        for name, values in list(module.named_parameters(recurse=False)):
            if id(values) not in stacked:
                zeros = values.detach().new_zeros(members, *values.shape)
                stacked[id(values)] = nn.Parameter(zeros, values.requires_grad)
            module.register_parameter(name, stacked[id(values)])


@contextmanager
def _hushed() -> Iterator[None]:
    """Without what a layer logs every time it is made: the first of a population has said it."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def _redraw(layer: nn.Module, std: float) -> None:
    for module in layer.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0.0, std)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
