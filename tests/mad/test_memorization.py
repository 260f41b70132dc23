"""Memorization: the fixed map is mad-lab's, and the same for every seed and split."""

import numpy as np
import pytest

from archer.mad import Setting, baseline, memorization, split
from archer.mad.sequences import IGNORE

MEMORIZATION = baseline("memorization")


@pytest.mark.parametrize("name", ["train", "test"])
def test_mad_labs_instances_follow_our_map(name, mad_lab):
    data = mad_lab(MEMORIZATION.task, name)
    table = memorization.value_of_key(*MEMORIZATION.recall_vocab)
    np.testing.assert_array_equal(data.targets[:, 1::2], table[data.inputs[:, ::2]])


def test_mad_labs_instances_meet_every_key(mad_lab):
    keys = np.unique(mad_lab(MEMORIZATION.task, "train").inputs[:, ::2])
    assert len(keys) == 127  # so the test above pins the whole map


@pytest.mark.parametrize("vocab_size", [3, 8, 9, 256, 8192])
def test_the_map_sends_no_two_keys_to_one_value(vocab_size):
    keys, both = Setting("memorization", vocab_size, 32).recall_vocab
    assert (keys, both) == ((vocab_size - 1) // 2, vocab_size - 1)
    table = memorization.value_of_key(keys, both)
    assert len(table) == len(np.unique(table)) == keys
    assert table.min() >= keys
    assert table.max() < both


@pytest.mark.parametrize("name", ["train", "validation", "test"])
@pytest.mark.parametrize("seed", [0, 7])
def test_structure(name, seed):
    data = split(MEMORIZATION, name, seed)
    keys = data.inputs[:, ::2]
    table = memorization.value_of_key(127, 255)
    assert (data.inputs[:, 1::2] == 255).all()
    assert (data.targets[:, ::2] == IGNORE).all()
    np.testing.assert_array_equal(data.targets[:, 1::2], table[keys])
    counts = np.bincount(keys.ravel(), minlength=127)
    expected = keys.size / 127
    assert len(counts) == 127
    assert ((counts - expected) ** 2 / expected).sum() < 180  # chi-square, 126 degrees: p = 0.001


@pytest.mark.parametrize(("vocab_size", "cap"), [(2048, 0.982), (4096, 0.865), (8192, 0.632)])
def test_keys_never_met_in_training_cap_the_accuracy(vocab_size, cap):
    setting = Setting("memorization", vocab_size, 32, num_train_examples=256)
    known = np.unique(split(setting, "train", 0).inputs[:, ::2])
    test = split(setting, "test", 0).inputs[:, ::2].reshape(10, -1)
    per_batch = [np.isin(np.unique(batch), known).mean() for batch in test]
    # classes predicted wrongly only lower the macro accuracy: what is met bounds it from above
    assert round(1 - (1 - 1 / setting.recall_vocab[0]) ** 4096, 3) == cap
    assert abs(np.mean(per_batch) - cap) < 0.02


def test_the_docstring_draws_a_real_instance(drawing):
    for line in drawing(Setting("memorization", 9, 8), "test"):
        assert line in memorization.__doc__
