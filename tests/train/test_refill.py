"""Populations that stay full: waiting members take places, the last ones close ranks.

Whatever happens around a member, its training is the one it would have alone: in float64 to nine
digits, so that no rounding of products over other numbers of members can hide a mistake.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch

from archer.errors import ArcherError
from archer.model import ModelConfig
from archer.model.fused import FusedBackbone
from archer.model.fused_layer import Parameters
from archer.rules.load import builtin_graph
from archer.train import running
from archer.train.data import MemberData
from archer.train.network import Network
from archer.train.population import Member, Regime, train_population
from archer.train.width import fitting, member_bytes

LENGTH = 12
RULE = builtin_graph("momentum")


def arrays(seed: int, examples: int, words: int) -> tuple[np.ndarray, np.ndarray]:
    """The target is the token itself; every third position is not scored."""
    inputs = np.random.default_rng(seed).integers(0, words, (examples, LENGTH), dtype=np.int32)
    targets = inputs.copy()
    targets[:, ::3] = -100
    return inputs, targets


def data(seed: int, examples: int, words: int) -> MemberData:
    held_out = arrays(seed + 1000, 9, words), arrays(seed + 2000, 9, words)
    return MemberData(arrays(seed, examples, words), *held_out)


# seven members that differ in everything that may differ: stream, lr, wd, knob, vocabulary, data
SIZES = [(16, 8), (16, 6), (9, 8), (30, 5), (16, 8), (9, 4), (4, 8)]  # examples, words
MEMBERS = [
    Member(f"seed={i}|toy", lr, wd, {"mu": mu}, words)
    for i, (lr, wd, mu, (_, words)) in enumerate(
        zip(
            [1e-2, 1e-3, 3e-3, 1e-2, 1e200, 1e-3, 5e-3],
            [0.0, 0.1, 0.0, 0.1, 0.0, 0.1, 0.0],
            [0.9, 0.7, 0.8, 0.5, 0.9, 0.1, 0.3],
            SIZES,
            strict=True,
        )
    )
]
DATA = [data(i, *size) for i, size in enumerate(SIZES)]
REGIME = Regime(epochs=4, batch_size=4, stop_accuracy=0.3)


@pytest.fixture(scope="module", autouse=True)
def double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def train(which: list[int], vocabulary: int = 8, regime: Regime = REGIME, **options):
    config = ModelConfig(vocab_size=vocabulary, length=LENGTH, dim=16)
    members, sets = [MEMBERS[i] for i in which], [DATA[i] for i in which]
    return train_population(RULE, config, members, sets, regime, chunk_size=4, **options)


def agree(mine, theirs) -> None:
    assert mine.status == theirs.status
    assert mine.steps == theirs.steps
    assert mine.best_epoch == theirs.best_epoch
    assert len(mine.history) == len(theirs.history)
    for a, b in zip(mine.history, theirs.history, strict=True):
        assert a.train_loss == pytest.approx(b.train_loss, rel=1e-9, nan_ok=True)
        for split in ("validation", "test"):
            x, y = getattr(a, split), getattr(b, split)
            assert x.loss == pytest.approx(y.loss, rel=1e-9, nan_ok=True)
            assert x.accuracy == y.accuracy
            assert x.plain_accuracy == y.plain_accuracy


@pytest.fixture(scope="module")
def alone():
    """Each member by itself, in a model of its own vocabulary."""
    return [train([i], SIZES[i][1]) for i in range(7)]


@pytest.mark.parametrize(
    "options",
    [{}, {"width": 3}, {"width": 1}, {"compact": 0.99}, {"width": 4, "compact": 0.8}],
    ids=str,
)
def test_a_member_trains_as_if_alone(alone, options):
    together = train(list(range(7)), **options)
    statuses = {member.status for member in together.members}
    assert statuses == {"stopped", "diverged", "finished"}  # places fall free at different times
    assert len({member.steps for member in together.members}) >= 3
    for i in range(7):
        agree(together.members[i], alone[i].members[0])
        if together.members[i].best_epoch is None:
            continue
        mine, theirs = together.module(i), alone[i].module(0)
        assert mine.config.vocab_size == SIZES[i][1]
        for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-8, atol=1e-10)


@pytest.fixture
def widths(monkeypatch):
    """Places and members of every step, as they come."""
    seen: list[tuple[int, int]] = []
    advance = running.Running.advance

    def watched(self, widest):
        seen.append((self.network.members, len(self.occupied())))
        advance(self, widest)

    monkeypatch.setattr(running.Running, "advance", watched)
    return seen


def test_places_are_refilled_and_given_up(widths):
    result = train(list(range(7)), width=3, compact=0.7)
    taken = sum(occupied for _, occupied in widths)
    assert taken == sum(member.steps for member in result.members)
    assert widths[0] == (3, 3)
    assert widths[-1] == (2, 2)  # the last two have the places to themselves
    first_gap = next(i for i, (width, occupied) in enumerate(widths) if occupied < 3)
    assert all(occupied == 3 for _, occupied in widths[:first_gap])
    assert sum(m.steps for m in result.members[:3]) < 3 * first_gap  # others had moved in


def test_ranks_close_however_slowly_they_thin(widths):
    train(list(range(7)), compact=0.75)
    assert widths[0] == (7, 7)
    assert all(occupied > 0.75 * places for places, occupied in widths)
    assert widths[-1][0] < 7


def test_learned_knobs_are_read_when_a_member_ends():
    which = [0, 2, 5]
    together = train(which, learn=("mu",), width=2)
    for place, i in enumerate(which):
        single = train([i], SIZES[i][1], learn=("mu",)).members[0]
        mine = together.members[place].learned["mu"]
        np.testing.assert_allclose(mine, single.learned["mu"], rtol=1e-9)
        assert abs(np.array(mine) - MEMBERS[i].knobs["mu"]).min() > 1e-5


def test_padding_of_the_vocabulary_stays_zero():
    result = train([0, 5])
    model = result.model
    assert model.words.tolist() == [8, 4]
    assert model.embed.weight[1, :4].any()
    assert not model.embed.weight[1, 4:].any()
    assert not model.unembed.weight[1, :, 4:].any()
    assert not model.unembed.bias[1, 4:].any()
    ids = torch.zeros(2, 3, LENGTH, dtype=torch.int64)
    logits = model(ids)
    assert logits[0].isfinite().all()
    assert (logits[1, ..., 4:] == -torch.inf).all()


def test_held_out_splits_must_be_of_one_size():
    longer = replace(DATA[1], test=arrays(5, 10, 6))
    config = ModelConfig(vocab_size=8, length=LENGTH, dim=16)
    with pytest.raises(ArcherError, match="as many validation and test examples"):
        train_population(RULE, config, MEMBERS[:2], [DATA[0], longer], REGIME, chunk_size=4)


def test_the_fused_engine_trains_as_the_plain_one(monkeypatch):
    """In the interpreter and fp32; on a GPU the same code runs in bf16."""
    torch.set_default_dtype(torch.float32)
    config = ModelConfig(vocab_size=8, length=LENGTH, dim=16, blocks=1)
    members, sets = [MEMBERS[2], MEMBERS[5]], [DATA[2], DATA[5]]
    go = lambda: train_population(  # noqa: E731
        RULE, config, members, sets, replace(REGIME, epochs=1), chunk_size=4
    )
    plain = go()

    def fused(network: Network) -> FusedBackbone:
        flat = network.flat
        full, grads = flat.views(flat.values), flat.views(flat.grads)
        return FusedBackbone(network.model, Parameters(full, full, grads), network.model.words)

    monkeypatch.setattr("archer.train.network._Plain", fused)
    kernels = go()
    torch.set_default_dtype(torch.float64)
    for mine, theirs in zip(kernels.members, plain.members, strict=True):
        a, b = mine.history[0], theirs.history[0]
        assert a.train_loss == pytest.approx(b.train_loss, rel=1e-6)
        assert a.validation.loss == pytest.approx(b.validation.loss, rel=1e-5)
        assert a.test.perplexity == pytest.approx(b.test.perplexity, rel=1e-5)
        assert a.test.plain_accuracy == b.test.plain_accuracy


def test_as_many_members_as_fit(monkeypatch):
    config = ModelConfig(vocab_size=16, length=128)
    assert fitting(RULE, config, 128, torch.device("cpu")) is None
    gpu = torch.device("cuda")
    one = member_bytes(RULE, config, 128)
    assert 100e6 < one < 1e9  # 16,384 tokens of some ten kilobytes each

    def members(free: float, config: ModelConfig) -> int | None:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (int(free), 0))
        return fitting(RULE, config, 128, gpu)

    assert members(20 * one, config) == 12
    assert members(140e9, config) == 96
    assert members(140e9, ModelConfig(vocab_size=16, length=1024)) in range(20, 96)
    assert members(1e6, config) == 1
