"""Knobs in a model: defaults, bounds, learned ones through a sigmoid."""

import pytest
import torch

from archer.errors import ArcherError
from archer.model import ModelConfig, build, extract
from archer.model.knobs import complete, from_logit, to_logit
from archer.rules.graph import KnobSpec
from archer.rules.load import builtin_graph

MOMENTUM = builtin_graph("momentum")
CONFIG = ModelConfig(vocab_size=8, length=12, dim=16, heads=2)


def test_missing_knobs_take_their_defaults():
    assert complete(MOMENTUM, {}) == {"mu": 0.9}
    assert complete(MOMENTUM, {"mu": 0.25}) == {"mu": 0.25}


@pytest.mark.parametrize(
    ("knobs", "message"),
    [({"nu": 0.5}, "no knob 'nu'; it has: mu"), ({"mu": 1.5}, "mu=1.5 is out of bounds")],
)
def test_wrong_knobs_are_refused(knobs, message):
    with pytest.raises(ArcherError, match=message):
        build(MOMENTUM, CONFIG, ["a"], knobs=[knobs])


@pytest.mark.parametrize("log", [False, True])
def test_a_learned_knob_starts_at_its_value_and_stays_in_bounds(log):
    spec = KnobSpec("x", 0.5, 0.01, 2.0, log=log)
    for value in (0.011, 0.5, 1.9):
        logit = torch.tensor(to_logit(spec, value), dtype=torch.float64)
        assert from_logit(spec, logit).item() == pytest.approx(value, rel=1e-9)
    far = from_logit(spec, torch.tensor([-1e4, 1e4], dtype=torch.float64))
    torch.testing.assert_close(far, torch.tensor([0.01, 2.0], dtype=torch.float64))


def test_a_knob_cannot_be_learned_from_its_bound_or_under_a_wrong_name():
    with pytest.raises(ArcherError, match="cannot be learned from its bound 1"):
        build(MOMENTUM, CONFIG, ["a"], knobs=[{"mu": 1.0}], learn=["mu"])
    with pytest.raises(ArcherError, match="no knob 'nu' to learn; it has: mu"):
        build(MOMENTUM, CONFIG, ["a"], learn=["nu"])


def test_learned_knobs_exist_per_layer_head_and_member():
    knobs = [{"mu": 0.5}, {"mu": 0.9}, {"mu": 0.2}]
    model = build(MOMENTUM, CONFIG, ["a", "b", "c"], knobs=knobs, learn=["mu"], chunk_size=4)
    values = model.learned_knobs()["mu"]
    assert values.shape == (3, 2, 2)
    torch.testing.assert_close(values[:, 1, 1], torch.tensor([0.5, 0.9, 0.2]))
    ids = torch.arange(72).view(3, 2, 12) % 8
    logits = model(ids)
    logits.square().sum().backward()
    for block in model.blocks:
        assert (block.mixer.knobs.logit_mu.grad != 0).all()
    torch.testing.assert_close(extract(model, 2)(ids[2]), logits[2], rtol=1e-5, atol=1e-6)
    fixed = build(MOMENTUM, CONFIG, ["a", "b", "c"], knobs=knobs, chunk_size=4)
    torch.testing.assert_close(fixed(ids), logits, rtol=1e-5, atol=1e-6)
