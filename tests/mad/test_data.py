"""Splits: seeds, streams, sizes and speed."""

import time
from dataclasses import replace

import numpy as np
import pytest

from archer.errors import ArcherError
from archer.mad import TASKS, Setting, baseline, dataset, split
from archer.mad.sequences import IGNORE, first_index
from archer.mad.settings import settings

RECALL = baseline("in-context-recall")


def same(a, b):
    return np.array_equal(a.inputs, b.inputs) and np.array_equal(a.targets, b.targets)


@pytest.mark.parametrize("task", TASKS)
def test_a_split_is_a_function_of_setting_name_and_seed(task):
    setting = baseline(task)
    one = split(setting, "test", 3, n=300)
    assert same(one, split(setting, "test", 3, n=300))
    others = [
        split(setting, "validation", 3, n=300),
        split(setting, "train", 3, n=300),
        split(setting, "test", 4, n=300),
    ]
    for other in others:
        assert not np.array_equal(one.inputs, other.inputs)
        rows = {row.tobytes() for row in one.inputs}
        assert rows.isdisjoint(row.tobytes() for row in other.inputs)


@pytest.mark.parametrize("task", TASKS)
def test_fewer_examples_are_the_first_of_more(task):
    setting = baseline(task)
    more = split(setting, "train", 0, n=700)
    for n in (1, 255, 256, 257):
        fewer = split(replace(setting, num_train_examples=n), "train", 0)
        np.testing.assert_array_equal(fewer.inputs, more.inputs[:n])
        np.testing.assert_array_equal(fewer.targets, more.targets[:n])
    assert len(np.unique(more.inputs, axis=0)) == 700  # blocks are different streams


def test_no_instance_depends_on_global_random_state():
    np.random.seed(1)
    one = split(baseline("selective-copying"), "train", 0, n=50)
    np.random.seed(2)
    assert same(one, split(baseline("selective-copying"), "train", 0, n=50))


def test_another_difficulty_is_another_stream():
    narrow, wide = (replace(RECALL, vocab_size=v) for v in (16, 17))
    assert narrow.recall_vocab[0] == wide.recall_vocab[0]  # the same keys are drawn from
    one, other = (split(s, "train", 0, n=256).inputs for s in (narrow, wide))
    assert 0.08 < (one[:, ::2] == other[:, ::2]).mean() < 0.17  # 1/8 by chance


@pytest.mark.parametrize("setting", [s for t in TASKS for s in settings(t)], ids=lambda s: s.name)
def test_every_setting_gives_well_formed_arrays(setting):
    for name in ("train", "validation", "test"):
        data = split(setting, name, 0, n=20)
        for array in (data.inputs, data.targets):
            assert array.shape == (20, setting.length)
            assert array.dtype == np.int32
            assert array.flags.c_contiguous
        assert data.inputs.min() >= 0
        assert data.inputs.max() < setting.vocab_size
        scored = data.targets[data.targets != IGNORE]
        assert scored.min() >= 0
        assert scored.max() < setting.vocab_size
        assert ((data.targets != IGNORE).sum(axis=1) > 0).all()


def test_validation_has_the_format_of_test():
    for task in ("in-context-recall", "noisy-in-context-recall", "fuzzy-in-context-recall"):
        shares = [
            (split(baseline(task), name, 0, n=256).targets != IGNORE).mean()
            for name in ("train", "validation", "test")
        ]
        assert shares[0] == 1
        assert shares[1] < 0.5
        assert abs(shares[1] - shares[2]) < 0.01


def test_a_dataset_has_the_settings_sizes():
    setting = Setting("compression", 8, 8, 40, 30, num_validation_examples=20)
    data = dataset(setting, 0)
    assert [len(part.inputs) for part in data] == [40, 20, 30]
    assert same(data.validation, split(setting, "validation", 0))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("dev", 0), "unknown split 'dev': use train, validation, test"),
        (("test", -1), "seed -1 is negative"),
        (("test", 0, 0), "n=0 instances"),
    ],
)
def test_mistakes_are_named(arguments, message):
    with pytest.raises(ArcherError, match=message):
        split(RECALL, *arguments)


@pytest.mark.parametrize(
    ("setting", "limit"),
    [
        *((baseline(task), 1.0) for task in TASKS),
        (replace(baseline("fuzzy-in-context-recall"), vocab_size=128), 5.0),
    ],
    ids=lambda x: getattr(x, "name", None),
)
def test_a_whole_dataset_takes_less_than(setting, limit):
    begin = time.process_time()
    dataset(setting, 0)
    assert time.process_time() - begin < limit


def test_first_index_by_hand():
    ids = np.array([[5, -3, 5, 0, -3, 5], [1, 2, 3, 4, 5, 6], [0, 0, 0, 0, 0, 0]])
    expected = [[0, 1, 0, 3, 1, 0], [0, 1, 2, 3, 4, 5], [0, 0, 0, 0, 0, 0]]
    np.testing.assert_array_equal(first_index(ids), expected)
