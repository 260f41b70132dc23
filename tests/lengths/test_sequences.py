"""Long sequences: what is asked, against a dictionary."""

import numpy as np
import pytest

from archer.errors import ArcherError
from archer.lengths.sequences import KEPT, RENEWED, long_sequences
from archer.mad.sequences import IGNORE
from archer.mad.settings import Setting

SETTING = Setting("in-context-recall", vocab_size=8, seq_len=12)


def answers(row, renew):
    """What a reader with a dictionary can know after each token; a new one every `renew` tokens."""
    known, found = {}, []
    for at in range(0, len(row), 2):
        if at % renew == 0:
            known = {}
        key, value = int(row[at]), int(row[at + 1])
        assert key < 4 <= value
        assert known.get(key, value) == value
        found += [known.get(key, IGNORE), IGNORE]
        known[key] = value
    return found


@pytest.mark.parametrize(("bindings", "renew"), [(KEPT, 96), (RENEWED, 12)])
def test_what_is_asked_is_what_a_dictionary_knows(bindings, renew):
    inputs, targets = long_sequences(SETTING, bindings, 96, 5, seed=3)
    assert inputs.shape == targets.shape == (5, 96)
    assert targets.tolist() == [answers(row, renew) for row in inputs]
    assert (targets[:, -24:] != IGNORE).any(1).all(), "also asked at the end"


def test_renewed_bindings_change_and_kept_ones_do_not():
    for bindings, most in ((KEPT, 1), (RENEWED, 4)):
        inputs, _ = long_sequences(SETTING, bindings, 960, 1, seed=0)
        keys, values = inputs[0, ::2], inputs[0, 1::2]
        assert [len(set(values[keys == key])) for key in range(4)] == [most] * 4


def test_a_length_between_two_instances_is_cut():
    long, _ = long_sequences(SETTING, RENEWED, 24, 1, seed=0)
    short, targets = long_sequences(SETTING, RENEWED, 20, 1, seed=0)
    assert short.shape == targets.shape == (1, 20)
    assert long.shape == (1, 24)


def test_seeds_and_kinds_have_sequences_of_their_own():
    drawn = [long_sequences(SETTING, kind, 48, 2, seed)[0] for kind, seed in
             ((KEPT, 0), (KEPT, 1), (RENEWED, 0))]  # fmt: skip
    again = long_sequences(SETTING, KEPT, 48, 2, 0)[0]
    assert np.array_equal(drawn[0], again)
    assert not np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


@pytest.mark.parametrize(("length", "n", "said"), [(7, 1, "--length 7"), (8, 0, "--sequences 0")])
def test_impossible_sizes(length, n, said):
    with pytest.raises(ArcherError, match=said):
        long_sequences(SETTING, KEPT, length, n, 0)
