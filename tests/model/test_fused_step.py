"""The fused step against the plain modules and autograd: losses, every gradient, scores."""

import copy

import pytest
import torch
from torch.nn import functional

from archer.model import ModelConfig, build
from archer.model.fused import FusedBackbone
from archer.model.fused_layer import Parameters
from archer.rules.load import builtin_graph

B, T = 2, 9  # three chunks of 4, the last of one token


def parameters(model: torch.nn.Module) -> Parameters:
    """Views of flat buffers with poisoned gradients."""
    named = dict(model.named_parameters())
    P = model.members
    values = torch.cat([p.detach().reshape(P, -1) for p in named.values()], 1)
    grads = torch.full_like(values, float("nan"))
    full, found, first = {}, {}, 0
    for name, parameter in named.items():
        place = slice(first, first := first + parameter[0].numel())
        full[name] = values[:, place].view(parameter.shape)
        found[name] = grads[:, place].view(parameter.shape)
        parameter.data = full[name]
    return Parameters(full, full, found)


def instances(
    words: list[int], positions: torch.Tensor | None, shape: tuple[int, int] | None = None
):
    random = torch.Generator().manual_seed(0)
    draw = lambda: torch.stack([torch.randint(V, shape or (B, T), generator=random) for V in words])  # noqa: E731
    ids, targets = draw().int(), draw().int()
    if shape is None:
        targets[:, :, 2] = -100
        targets[1, 0] = -100
    return ids, targets if positions is None else targets[..., positions]


def shaken(model: torch.nn.Module) -> torch.nn.Module:
    """Far from initial zeros and ones, so that every term matters."""
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=random)
    return model


CASES = {
    "delta, two heads": ("delta", {"heads": 2}, None, ()),
    "gated delta, two heads, some positions": ("gated_delta", {"heads": 2}, [1, 4, 8], ()),
    "learned and swept knobs": ("adam_softmax", {}, None, ()),
    "one block, some positions": ("momentum", {"blocks": 1}, [0, 5, 6], ("mu",)),
    "auto-encoder": ("momentum", {"autoencoder": True}, None, ("mu",)),
    "auto-encoder, some positions": ("delta", {"autoencoder": True}, [0, 7], ()),
    "wider than a tile of words": ("delta", {"vocab_size": 150, "dim": 32, "blocks": 1}, None, ()),
}


def distance(found: torch.Tensor, exact: torch.Tensor) -> float:
    return ((found.double() - exact).norm() / exact.norm()).item()


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_fused_step_is_the_plain_one(case):
    rule, sizes, positions, learn = case
    graph = builtin_graph(rule)
    config = ModelConfig(**{"vocab_size": 10, "length": T, "dim": 16} | sizes)
    knobs = [{"mu": mu} for mu in (0.5, 0.9)] if rule == "momentum" else None
    words = [config.vocab_size, config.vocab_size - 3]
    streams = ["a", "b"]
    model = build(graph, config, streams, knobs=knobs, learn=learn, chunk_size=4, words=words)
    shaken(model)
    positions = None if positions is None else torch.tensor(positions)
    assert_the_plain_one(model, *instances(words, positions), positions)


@pytest.mark.parametrize(
    ("members", "shape", "heads", "chunk"),
    [
        pytest.param(1, (2, 9), 16, 4, id="one member, heads of one number"),
        pytest.param(2, (1, 5), 1, 8, id="one sequence, shorter than a chunk"),
        pytest.param(3, (2, 1), 1, 8, id="one token"),
    ],
)
def test_sizes_of_one_change_nothing(members, shape, heads, chunk):
    """Where an axis has one element, a reshaped tensor may be a view that is not dense."""
    config = ModelConfig(vocab_size=10, length=shape[1], dim=16, heads=heads)
    streams = [f"s{member}" for member in range(members)]
    model = shaken(build(builtin_graph("delta"), config, streams, chunk_size=chunk))
    assert_the_plain_one(model, *instances([10] * members, None, shape), None)


def assert_the_plain_one(
    model: torch.nn.Module, ids: torch.Tensor, targets: torch.Tensor, positions: torch.Tensor | None
) -> None:
    """Losses, every gradient and scores of the fused step are those of the modules."""
    flat = parameters(model)
    fused = FusedBackbone(model, flat, model.words)
    losses = fused.train(ids, targets, positions)

    def plain(model: torch.nn.Module) -> tuple[torch.Tensor, list[torch.Tensor], torch.Tensor]:
        logits = model(ids, positions)
        expected = torch.stack([
            functional.cross_entropy(logits[i].flatten(0, 1), targets[i].long().flatten())
            for i in range(len(ids))
        ])  # fmt: skip
        grads = torch.autograd.grad(expected.sum(), list(model.parameters()))
        return expected.detach(), grads, logits.argmax(-1).int()

    expected, exact, likeliest = plain(copy.deepcopy(model).double())
    near, rounded, _ = plain(model)
    # fp32 modules may themselves be further off: the model amplifies rounding
    close = 1e-6 + 3 * ((near.double() - expected) / expected).abs().max().item()
    torch.testing.assert_close(losses.double(), expected, rtol=close, atol=0)
    for (name, _), grad, theirs in zip(model.named_parameters(), exact, rounded, strict=True):
        allowed = 1e-5 + 3 * distance(theirs, grad)
        assert distance(flat.grads[name], grad) < allowed, name

    losses, found = fused.score(ids, targets, positions)
    torch.testing.assert_close(losses.double(), expected, rtol=close, atol=0)
    assert torch.equal(found, likeliest)
