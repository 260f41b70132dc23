"""`archer data`: a task's arrays in a file."""

import numpy as np
import pytest

from archer.errors import ArcherError
from archer.mad import baseline, split
from archer.mad.export import setting_with, write_arrays


def test_the_file_holds_what_trials_are_trained_on(tmp_path):
    setting = setting_with("memorization", {"vocab_size": "512"})
    path, shape = write_arrays(setting, "test", 3, 20, tmp_path / "new" / "x.npz")
    wanted = split(setting, "test", 3, 20)
    with np.load(path) as found:
        assert sorted(found) == ["inputs", "targets"]
        for name in ("inputs", "targets"):
            assert found[name].dtype == np.int32
            assert found[name].shape == shape == (20, 32)
            assert (found[name] == getattr(wanted, name)).all()
    assert [p.name for p in path.parent.iterdir()] == ["x.npz"]


def test_fields_take_their_own_types():
    setting = setting_with("noisy-in-context-recall", {"frac_noise": "0.4", "vocab_size": "48"})
    assert (setting.frac_noise, setting.vocab_size) == (0.4, 48)
    assert setting_with("compression", {}) == baseline("compression")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vocab": "512"}, "--set vocab: a setting has no such field; it has frac_noise"),
        ({"task": "compression"}, "--set task: a setting has no such field"),
        ({"vocab_size": "many"}, "--set vocab_size=many: not int"),
        ({"vocab_size": "1"}, "memorization: vocab_size=1 is impossible, use at least 3"),
    ],
)
def test_bad_fields_are_named(changes, message):
    with pytest.raises(ArcherError, match=message):
        setting_with("memorization", changes)


@pytest.mark.parametrize(
    ("name", "seed", "n", "file", "message"),
    [
        ("train", 0, 0, "x.npz", "n=0 instances is impossible"),
        ("train", -1, 5, "x.npz", "seed -1 is negative"),
        ("valid", 0, 5, "x.npz", "unknown split 'valid'"),
        ("train", 0, 5, "x.npy", r"must end in \.npz"),
    ],
)
def test_nothing_is_written_for_bad_requests(tmp_path, name, seed, n, file, message):
    with pytest.raises(ArcherError, match=message):
        write_arrays(baseline("memorization"), name, seed, n, tmp_path / file)
    assert list(tmp_path.iterdir()) == []
