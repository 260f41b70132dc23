"""The two backbones: size, initial values, causality, members as ordinary modules."""

import math

import pytest
import torch

from archer.errors import ArcherError
from archer.model import ModelConfig, build, extract
from archer.model.backbone import sinusoids
from archer.rules.load import builtin_graph

TINY = {"vocab_size": 8, "length": 12, "dim": 16, "heads": 2}
IDS = torch.randint(0, 8, (3, 12), generator=torch.Generator().manual_seed(0))


def size(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_default_size_is_what_the_protocol_gives():
    block = 2 * 128  # two norms
    block += 3 * 128 * 128 + 3 * 128 * 4 + 128  # q, k, v; their convolutions; beta
    block += 128 + 128 * 128  # norm and map of the output
    block += 3 * 128 * 352  # SwiGLU
    expected = 16 * 128 + 2 * block + 128 + (128 * 16 + 16)  # embedding, blocks, norm, unembedding
    assert expected == 409_744
    config = ModelConfig(vocab_size=16, length=128)
    assert size(build(builtin_graph("delta"), config, ["a"])) == expected
    # Gated DeltaNet adds a map to one number per head, A_log and dt_bias in each block.
    assert size(build(builtin_graph("gated_delta"), config, ["a"])) == expected + 2 * (128 + 2)
    assert size(build(builtin_graph("delta"), config, ["a", "b"])) == 2 * expected


def test_initial_values_of_the_language_model():
    model = build(builtin_graph("delta"), ModelConfig(vocab_size=512, length=8), ["a"])
    block = model.blocks[0]
    assert model.embed.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert model.unembed.bias.abs().max() == 0
    assert (block.mlp_norm.weight == 1).all()
    assert (block.mixer.norm.weight == 1).all()
    for linear, inputs in ((block.mixer.qkv, 128), (block.mlp.out, 352), (model.unembed, 128)):
        bound = inputs**-0.5
        assert linear.weight.abs().max() <= bound
        assert linear.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)
    assert block.mixer.conv.weight.abs().max() <= 0.5
    assert block.mixer.conv.weight.std().item() == pytest.approx(0.5 / math.sqrt(3), rel=0.05)


def test_initial_values_of_the_auto_encoder():
    config = ModelConfig(vocab_size=512, length=8, autoencoder=True)
    model = build(builtin_graph("delta"), config, ["a"])
    block = model.blocks[1]
    linears = (block.mixer.qkv, block.mixer.beta.linear, block.mlp.gate, model.decoder[1])
    for layer in (model.embed, model.unembed, *linears):
        assert layer.weight.std().item() == pytest.approx(0.02, rel=0.15)
    assert model.decoder[4].bias.abs().max() == 0
    assert block.mixer.conv.weight.std().item() == pytest.approx(0.5 / math.sqrt(3), rel=0.05)


def test_decay_starts_as_in_the_public_layer():
    config = ModelConfig(vocab_size=4, length=4, dim=512, heads=256, blocks=1)
    decay = build(builtin_graph("gated_delta"), config, ["a", "b"]).blocks[0].mixer.signal_decay
    rate = decay.A_log.exp()
    assert 0 < rate.min() < 0.3
    assert 15.7 < rate.max() <= 16
    assert rate.mean().item() == pytest.approx(8, rel=0.1)
    dt = torch.nn.functional.softplus(decay.dt_bias)
    assert 0.00099 < dt.min() < 0.0012
    assert 0.08 < dt.max() < 0.101
    assert dt.log().mean().item() == pytest.approx(math.log(0.01), abs=0.2)


def test_start_depends_on_neither_rule_nor_population():
    config = ModelConfig(**TINY)
    alone = dict(build(builtin_graph("delta"), config, ["s"]).named_parameters())
    other = dict(build(builtin_graph("gated_delta"), config, ["x", "s", "y"]).named_parameters())
    for name, parameter in alone.items():
        assert torch.equal(parameter[0], other[name][1]), name
        # ones (norms) and zeros (biases) apart, another stream means other numbers
        if parameter.std() > 0:
            assert not torch.equal(other[name][0], other[name][1]), name


@pytest.mark.parametrize("autoencoder", [False, True])
@pytest.mark.parametrize("rule", ["momentum", "gated_delta", "adam_softmax"])
def test_an_extracted_member_gives_the_same_logits(rule, autoencoder):
    graph = builtin_graph(rule)
    config = ModelConfig(**TINY, autoencoder=autoencoder)
    knobs = [{"mu": mu} for mu in (0.5, 0.9, 0.1)] if rule == "momentum" else None
    model = build(graph, config, ["a", "b", "c"], knobs=knobs, chunk_size=4)
    ids = torch.stack([IDS, IDS.flip(0), IDS.flip(1)])
    logits = model(ids)
    assert logits.shape == (3, 3, 12, 8)
    for i in range(3):
        one = extract(model, i)
        assert all(p.shape[0] != 3 for p in one.parameters())
        torch.testing.assert_close(one(ids[i]), logits[i], rtol=1e-5, atol=1e-6)


def test_members_with_other_knobs_give_other_logits():
    knobs = [{"mu": 0.5}, {"mu": 0.9}]
    config = ModelConfig(**TINY)
    model = build(builtin_graph("momentum"), config, ["a", "a"], knobs=knobs, chunk_size=4)
    logits = model(torch.stack([IDS, IDS]))
    assert torch.equal(logits[0, :, :4], logits[1, :, :4])  # nothing has been read back yet
    assert not torch.allclose(logits[0, :, 4:], logits[1, :, 4:])


@pytest.mark.parametrize("rule", ["delta", "error_gated", "softmax_attention", "gated_delta"])
def test_the_language_model_is_causal(rule):
    model = build(builtin_graph(rule), ModelConfig(**TINY), ["a"], chunk_size=4).double()
    changed = IDS.clone()
    changed[:, 7] = (changed[:, 7] + 1) % 8
    before, after = model(IDS[None]), model(changed[None])
    assert torch.equal(before[:, :, :7], after[:, :, :7])
    assert ((before[:, :, 7:] - after[:, :, 7:]).abs().amax((0, 1, 3)) > 0).all()


def test_the_auto_encoder_decodes_from_the_last_position():
    config = ModelConfig(**TINY, autoencoder=True)
    model = build(builtin_graph("delta"), config, ["a"], chunk_size=4).double()
    changed = IDS.clone()
    changed[:, 0] = (changed[:, 0] + 1) % 8
    difference = (model(IDS[None]) - model(changed[None])).abs()
    assert (difference.amax((0, 1, 3)) > 0).all()
    with pytest.raises(ArcherError, match="built for length 12, not 5"):
        model(IDS[None, :, :5])


@pytest.mark.parametrize("autoencoder", [False, True])
def test_logits_at_chosen_positions_are_those_of_the_whole(autoencoder):
    config = ModelConfig(**TINY, autoencoder=autoencoder)
    model = build(builtin_graph("momentum"), config, ["a", "b"], chunk_size=4)
    ids, positions = torch.stack([IDS, IDS.flip(0)]), torch.tensor([1, 6, 11])
    whole = model(ids)
    torch.testing.assert_close(model(ids, positions), whole[:, :, positions])


def test_sinusoids_by_the_stated_formula():
    table = sinusoids(5, 8)
    for j in range(5):
        for i in range(4):
            rate = 10000 ** (-i / 3)
            assert table[j, i].item() == pytest.approx(math.sin(j * rate), abs=1e-6)
            assert table[j, 4 + i].item() == pytest.approx(math.cos(j * rate), abs=1e-6)


def test_impossible_sizes_are_refused():
    with pytest.raises(ArcherError, match="3 heads do not divide dim 16"):
        ModelConfig(8, 12, dim=16, heads=3)
    with pytest.raises(ArcherError, match="blocks is 0"):
        ModelConfig(8, 12, blocks=0)
