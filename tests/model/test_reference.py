"""The whole model against a plain re-statement of the protocol with PyTorch's own layers."""

import pytest
import torch
from torch.nn import functional

from archer.memory.recurrent import recurrent
from archer.model import ModelConfig, build, extract
from archer.rules.load import builtin_graph

HEADS, SIZE = 2, 8


def mixed(mixer, x):
    """x: [B, T, D]; heads read token by token."""
    batch, length, dim = x.shape
    q, k, v = functional.linear(x, mixer.qkv.weight.T).split(dim, -1)
    kernels = mixer.conv.weight.T.unsqueeze(1).split(dim)
    heads = []
    for y, kernel in zip((q, k, v), kernels, strict=True):
        y = functional.conv1d(functional.pad(y.mT, (3, 0)), kernel, groups=dim).mT
        heads.append(functional.silu(y).reshape(batch, length, HEADS, SIZE))
    q, k = (y / (y.square().sum(-1, keepdim=True) + 1e-6).sqrt() for y in heads[:2])
    beta = torch.sigmoid(x @ mixer.beta.linear.weight)
    g = None
    if mixer.rule.decay is not None:
        gate = mixer.signal_decay
        step = functional.softplus(x @ gate.linear.weight + gate.dt_bias)
        g = -gate.A_log.exp() * step
    o, _ = recurrent(q, k, heads[2], beta, g)
    o = functional.rms_norm(o, (SIZE,), mixer.norm.weight, 1e-5).reshape(batch, length, dim)
    if mixer.gate is not None:
        o = o * functional.silu(x @ mixer.gate.weight)
    return functional.linear(o, mixer.out.weight.T)


def normed(norm, x):
    return functional.rms_norm(x, x.shape[-1:], norm.weight, 1e-5)


def encoded(model, ids):
    x = model.embed.weight[ids]
    for block in model.blocks:
        x = x + mixed(block.mixer, normed(block.mixer_norm, x))
        h, mlp = normed(block.mlp_norm, x), block.mlp
        inner = functional.silu(h @ mlp.gate.weight) * (h @ mlp.value.weight)
        x = x + inner @ mlp.out.weight
    return x


def logits(model, x):
    return functional.linear(normed(model.norm, x), model.unembed.weight.T, model.unembed.bias)


def decoded(model, x):
    h = x[:, -1:] + model.places
    for norm, linear in ((0, 1), (3, 4)):
        h = normed(model.decoder[norm], h)
        h = functional.linear(h, model.decoder[linear].weight.T, model.decoder[linear].bias)
        h = functional.gelu(h)
    return h


@pytest.mark.parametrize("autoencoder", [False, True])
@pytest.mark.parametrize(
    ("rule", "output_gate"), [("delta", False), ("gated_delta", False), ("gated_delta", True)]
)
def test_the_model_is_the_protocols(rule, output_gate, autoencoder):
    sizes = {"heads": HEADS, "autoencoder": autoencoder, "output_gate": output_gate}
    config = ModelConfig(8, 13, dim=16, **sizes)
    population = build(builtin_graph(rule), config, ["a", "b"], chunk_size=4).double()
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():  # far from the initial zeros and ones, so that every term matters
        for parameter in population.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=random, dtype=torch.float64)
    ids = torch.randint(0, 8, (2, 3, 13), generator=random)
    found = population(ids)
    for i in range(2):
        model = extract(population, i)
        x = encoded(model, ids[i])
        expected = logits(model, decoded(model, x) if autoencoder else x)
        torch.testing.assert_close(found[i], expected, rtol=1e-9, atol=1e-9)
