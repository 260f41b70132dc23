"""A GPU's memory runs out in a training: it goes on with fewer members at a time."""

from dataclasses import replace

import pytest
import torch

from archer.mad.plan import Population, make_plan
from archer.mad.presets import smoke
from archer.mad.work import Keep, train
from archer.model.config import ModelConfig
from archer.rules.load import builtin_graph
from archer.train import running
from archer.train.width import SCORED, scored_at_once

FULL = torch.OutOfMemoryError("CUDA out of memory")


@pytest.fixture
def population() -> Population:
    """Four members, of two epochs each."""
    preset = replace(smoke().only(("memorization",)), epochs=2)
    (found,) = make_plan([builtin_graph("momentum")], preset, seeds=4).populations
    return found


@pytest.fixture
def room(monkeypatch):
    """Room for so many members' steps, once so many steps were taken; the widths of the steps."""
    widths: list[int] = []
    advance = running.Running.advance

    def install(members: int, after: int = 0) -> list[int]:
        def limited(self, widest):
            if self.network.members > members and len(widths) >= after:
                raise FULL
            widths.append(self.network.members)
            advance(self, widest)

        monkeypatch.setattr(running.Running, "advance", limited)
        monkeypatch.setattr("archer.mad.work.fitting", lambda *_: 96)
        return widths

    return install


def test_half_as_many_train_until_they_fit(population, room, capfd):
    widths, told = room(1), []
    found = train(population, "cpu", on_end=told.extend)
    assert set(widths) == {1}
    assert sorted(member for member, _ in told) == [0, 1, 2, 3]
    assert [r.status for r in found] == ["finished"] * 4
    err = capfd.readouterr().err
    assert "out of memory: going on with 2 members at a time" in err
    assert "out of memory: going on with 1 member at a time" in err


def test_who_has_ended_is_not_trained_again(population, room, tmp_path, monkeypatch):
    """Two of four train at a time; memory runs out when the second two have begun."""
    whole = train(population, "cpu")
    steps = sum(result.steps for result in whole)
    widths = room(1, after=steps // 4 + 1)
    monkeypatch.setattr("archer.mad.work.fitting", lambda *_: 2)
    told: list[int] = []
    found = train(
        population,
        "cpu",
        on_end=lambda ended: told.extend(member for member, _ in ended),
        keep=Keep(str(tmp_path), seconds=0.0),
    )
    assert sorted(told) == [0, 1, 2, 3]
    assert widths[: steps // 4 + 1] == [2] * (steps // 4 + 1)
    assert set(widths[steps // 4 + 1 :]) == {1}
    trained = sum(widths)
    assert steps <= trained <= steps + 4, "all but the batches since the last checkpoint are kept"
    for mine, theirs in zip(found, whole, strict=True):
        assert mine.best is not None
        assert theirs.best is not None
        assert mine.best.test.loss == pytest.approx(theirs.best.test.loss, rel=1e-4)


def test_one_member_that_does_not_fit_is_an_error(population, room):
    widths = room(0)
    with pytest.raises(torch.OutOfMemoryError):
        train(population, "cpu")
    assert widths == []


def test_short_chunks_are_scored_in_smaller_parts():
    """A state per token: 128 × 128 numbers of two bytes, and four for each slot's."""
    config, adam = ModelConfig(vocab_size=16, length=128), builtin_graph("adam")
    sizes = [scored_at_once(adam.with_chunk_size(C), config) for C in (32, 16, 8, 1)]
    assert sizes == [SCORED, SCORED, 2**33 // (128 * 128 * 10 // 8), 2**33 // (128 * 128 * 10)]
    assert scored_at_once(adam, config, 1) == sizes[-1]
    assert scored_at_once(builtin_graph("delta").with_chunk_size(16), config) == SCORED
