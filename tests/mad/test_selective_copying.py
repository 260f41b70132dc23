"""Selective copying: structure, and where mad-lab's blanks stand."""

import numpy as np
import pytest

from archer.mad import Setting, baseline, selective_copying, split
from archer.mad.sequences import IGNORE

COPYING = baseline("selective-copying")
SMALL = Setting("selective-copying", 8, 24, num_tokens_to_copy=5)


def facts(setting, inputs, targets):
    """Per-instance numbers whose means tell distributions apart, [n] each."""
    count = setting.num_tokens_to_copy
    blank = setting.vocab_size - 2
    context = inputs[:, : -count - 1]
    places = np.nonzero(context != blank)[1].reshape(len(inputs), count)
    gaps = np.diff(places, axis=1, prepend=-1) - 1
    return {
        "blanks before the first": gaps[:, 0],
        "the same, squared": gaps[:, 0] ** 2,
        "blanks before the last": gaps[:, -1],
        "place of the middle": places[:, count // 2],
        "the same place, squared": places[:, count // 2] ** 2,
        "longest run": gaps.max(axis=1),
        "first token": targets[:, -count],
        "last token": targets[:, -1],
    }


# measured on mad-lab @ 0f49a45: {name: (instances, {fact: (mean, deviation)})}
MEASURED = {
    "selective-copying": (
        20000,
        {
            "blanks before the first": (13.9716, 3.63398),
            "the same, squared": (208.411, 106.945),
            "blanks before the last": (13.9369, 3.61218),
            "place of the middle": (133.438, 7.42543),
            "the same place, squared": (17860.7, 1981.81),
            "longest run": (20.8868, 2.04219),
            "first token": (6.45115, 4.0272),
            "last token": (6.49565, 4.00127),
        },
    ),
    "selective-copying/vocab_size=8,seq_len=24,num_tokens_to_copy=5": (
        20000,
        {
            "blanks before the first": (2.5998, 1.44421),
            "the same, squared": (8.8447, 8.84405),
            "blanks before the last": (2.61985, 1.44953),
            "place of the middle": (9.76585, 1.77449),
            "the same place, squared": (98.5207, 34.5808),
            "longest run": (4.59225, 0.940154),
            "first token": (2.5145, 1.70429),
            "last token": (2.4868, 1.70983),
        },
    ),
}


@pytest.mark.parametrize("source", ["archer", "mad-lab"])
@pytest.mark.parametrize("name", ["train", "test"])
def test_structure(source, name, mad_lab):
    data = mad_lab(COPYING.task, name) if source == "mad-lab" else split(COPYING, name, 0, 1_280)
    inputs, targets, count = data.inputs, data.targets, COPYING.num_tokens_to_copy
    blank, copy = 14, 15
    context = inputs[:, : -count - 1]
    assert (inputs[:, -count - 1] == copy).all()
    assert (inputs[:, -count:] == blank).all()
    assert (context[:, -1] < blank).all()  # no blank after the last token
    assert set(np.unique(context)) == set(range(15))
    assert (targets[:, :-count] == IGNORE).all()
    tokens = context[context != blank].reshape(len(inputs), count)
    np.testing.assert_array_equal(targets[:, -count:], tokens)  # in order, at the last blanks


@pytest.mark.parametrize("setting", [COPYING, SMALL], ids=lambda s: s.name)
@pytest.mark.parametrize("name", ["train", "test"])
def test_statistics_are_those_of_mad_lab(setting, name, agrees):
    count, measured = MEASURED[setting.name]
    data = split(setting, name, 0, n=6_000)
    agrees(facts(setting, data.inputs, data.targets), measured, count)


def test_as_few_blanks_as_possible():
    setting = Setting("selective-copying", 3, 8, num_tokens_to_copy=3)
    data = split(setting, "train", 0, n=300)
    assert ((data.inputs[:, :4] == 1).sum(axis=1) == 1).all()
    assert set(np.unique(data.targets)) == {IGNORE, 0}


def test_the_docstring_draws_a_real_instance(drawing):
    tiny = Setting("selective-copying", 6, 14, num_tokens_to_copy=3)
    for line in drawing(tiny, "test"):
        assert line in selective_copying.__doc__
