"""Causal softmax attention against a plain re-statement with complex rotations, and its members."""

import math

import pytest
import torch

from archer.errors import ArcherError
from archer.model import ModelConfig, build, extract
from archer.model.attention import Attention
from archer.rules.load import builtin_graph
from archer.rules.peer import Peer

ATTENTION = Peer("attention")
CONFIG = ModelConfig(vocab_size=9, length=11, dim=16, heads=2)
IDS = torch.randint(0, 9, (3, 4, 11), generator=torch.Generator().manual_seed(0))
STREAMS = ["a", "b", "c"]


def turned(x):
    """x: [T, K]; number i and number i + K/2 as one complex number, turned by t 10000^(-2i/K)."""
    length, size = x.shape
    pairs = torch.complex(x[:, : size // 2], x[:, size // 2 :])
    rates = torch.tensor([10000.0 ** (-2 * i / size) for i in range(size // 2)])
    angles = torch.arange(length).unsqueeze(1) * rates
    pairs = pairs * torch.polar(torch.ones_like(angles), angles)
    return torch.cat([pairs.real, pairs.imag], 1)


def attended(mixer, x, heads):
    """One sequence, one head and one query at a time. x: [T, D]."""
    length, dim = x.shape
    size = dim // heads
    q, k, v = (x @ mixer.qkv.weight).split(dim, 1)
    out = torch.zeros(length, dim)
    for h in range(heads):
        mine = slice(h * size, (h + 1) * size)
        queries, keys = turned(q[:, mine]), turned(k[:, mine])
        for t in range(length):
            scores = keys[: t + 1] @ queries[t] / math.sqrt(size)
            out[t, mine] = scores.softmax(0) @ v[: t + 1, mine]
    return out @ mixer.out.weight


@pytest.mark.parametrize(("heads", "length"), [(1, 11), (2, 11), (4, 1)])
def test_every_member_is_plain_attention_with_rotary_embedding(heads, length):
    config = ModelConfig(vocab_size=9, length=11, dim=16, heads=heads)
    model = build(ATTENTION, config, STREAMS)
    x = torch.randn(3, 2 * length, 16, generator=torch.Generator().manual_seed(1))
    found = model.blocks[1].mixer(x, length)
    for member in range(3):
        mixer = extract(model, member).blocks[1].mixer
        expected = [attended(mixer, each, heads) for each in x[member].split(length)]
        torch.testing.assert_close(found[member], torch.cat(expected), atol=1e-5, rtol=1e-5)


def test_no_member_sees_another():
    model = build(ATTENTION, CONFIG, STREAMS)
    alone = build(ATTENTION, CONFIG, ["b"])
    together, by_itself = model(IDS), alone(IDS[1:2])
    assert torch.equal(together[1], by_itself[0])
    weights = torch.randn(together[1].shape, generator=torch.Generator().manual_seed(2))
    others = torch.autograd.grad((together[1] * weights).sum(), list(model.parameters()))
    mine = torch.autograd.grad((by_itself[0] * weights).sum(), list(alone.parameters()))
    for (name, _), theirs, own in zip(model.named_parameters(), others, mine, strict=True):
        assert torch.equal(theirs[1], own[0]), name
        assert not theirs[[0, 2]].any(), name


def test_the_future_is_not_seen():
    model = build(ATTENTION, CONFIG, STREAMS)
    other = IDS.clone()
    other[..., 7:] = (other[..., 7:] + 1) % 9
    before, after = model(IDS), model(other)
    assert torch.equal(before[..., :7, :], after[..., :7, :])
    assert not torch.equal(before[..., 7:, :], after[..., 7:, :])


def test_attention_without_rotation_would_not_know_the_order():
    mixer = build(ATTENTION, CONFIG, ["a"]).blocks[0].mixer
    x = torch.randn(1, 11, 16, generator=torch.Generator().manual_seed(1))
    swapped = x[:, [1, 0, *range(2, 11)]]
    rotated = (mixer(x, 11) - mixer(swapped, 11))[0, 2:].abs().max()
    mixer.rates.zero_()
    plain = (mixer(x, 11) - mixer(swapped, 11))[0, 2:].abs().max()
    assert plain < 1e-6 < 1e-3 < rotated


@pytest.mark.parametrize("autoencoder", [False, True])
def test_it_starts_from_the_same_weights_as_a_rule(autoencoder):
    config = ModelConfig(vocab_size=9, length=11, dim=16, autoencoder=autoencoder)
    peer = dict(build(ATTENTION, config, STREAMS).named_parameters())
    rule = dict(build(builtin_graph("delta"), config, STREAMS).named_parameters())
    assert "blocks.0.mixer.qkv.weight" in peer
    for name, values in peer.items():
        assert torch.equal(values, rule[name]), name
    own = {name.partition(".mixer.")[2] for name in rule.keys() - peer.keys()}
    assert own == {"conv.weight", "beta.linear.weight", "norm.weight"}


def test_it_has_a_little_less_than_delta():
    config = ModelConfig(vocab_size=16, length=128)
    sizes = [
        sum(each.numel() for each in build(row, config, ["a"]).parameters())
        for row in (builtin_graph("delta"), ATTENTION)
    ]
    assert sizes == [409_744, 406_160]  # as docs/peers.md says


def test_a_member_by_itself_is_an_ordinary_module():
    for config in (CONFIG, ModelConfig(vocab_size=9, length=11, dim=16, autoencoder=True)):
        model = build(ATTENTION, config, STREAMS)
        torch.testing.assert_close(extract(model, 2)(IDS[2]), model(IDS)[2], atol=1e-6, rtol=1e-5)


def test_bf16_is_the_same_function():
    model = build(ATTENTION, CONFIG, STREAMS)
    with torch.autocast("cpu", torch.bfloat16):
        low = model(IDS)
    full = model(IDS)
    assert (low - full).abs().max() < 0.02 * full.abs().max()


def test_an_odd_head_size_is_refused():
    with pytest.raises(ArcherError, match="a head of size 5 has an odd number"):
        Attention(ModelConfig(vocab_size=9, length=11, dim=15, heads=3), 1)
