"""In-context recall and noisy recall: structure, labels, and mad-lab's statistics."""

import numpy as np
import pytest

from archer.mad import Setting, baseline, in_context_recall, noisy_in_context_recall, split
from archer.mad.sequences import IGNORE

ICR = baseline("in-context-recall")
NOISY = baseline("noisy-in-context-recall")
SMALL = Setting("in-context-recall", 11, 24)
LOUD = Setting("noisy-in-context-recall", 10, 20, noise_vocab_size=3, frac_noise=0.8)


def slots(inputs, targets):
    """[n, length] -> [n, slots, 2] (key, value): the shift cut only the probe's value off."""
    return np.column_stack([inputs, targets[:, -1]]).reshape(len(inputs), -1, 2)


def expected_labels(sequence, both):
    """The test labels, token by token, of one whole sequence of (key, value) slots."""
    value_of, labels = {}, []
    for key, value in sequence[:-1].tolist():
        labels += [IGNORE, value if key in value_of else IGNORE]
        if key < both:
            assert value_of.setdefault(key, value) == value, "a key changed its value"
    key, value = sequence[-1].tolist()
    assert value_of[key] == value, "the probe was never presented"
    return [*labels, IGNORE, value][1:]


def facts(setting, inputs, targets):
    """Per-instance numbers whose means tell distributions apart, [n] each."""
    _, both = setting.recall_vocab
    pairs = slots(inputs, targets)
    context, probe = pairs[:, :-1], pairs[:, -1]
    is_noise = context[..., 0] >= both
    same = context[..., 0] == probe[:, :1]
    spread = np.sort(np.where(is_noise, -1, context[..., 0]), axis=1)
    presented = [{(k, v) for k, v in row if k < both} for row in context.tolist()]
    return {
        "scored": (targets != IGNORE).sum(axis=1),
        "noise slots": is_noise.sum(axis=1),
        "distinct keys": (np.diff(spread, axis=1) != 0).sum(axis=1) + (spread[:, 0] >= 0),
        "distinct values": np.array([len({v for _, v in row}) for row in presented]),
        "probe's presentations": same.sum(axis=1),
        "probe's first slot": same.argmax(axis=1),
        "probe's key": probe[:, 0],
        "probe's value": probe[:, 1],
        "first token": inputs[:, 0],
    }


# measured on mad-lab @ 0f49a45: {name: (instances, {fact: (mean, deviation)})}
MEASURED = {
    "in-context-recall": (
        10000,
        {
            "scored": (56.001, 0.031607),
            "noise slots": (0.0, 0.0),
            "distinct keys": (7.999, 0.031607),
            "distinct values": (5.2482, 0.893642),
            "probe's presentations": (7.9059, 2.60696),
            "probe's first slot": (6.9736, 7.38949),
            "probe's key": (3.5066, 2.28752),
            "probe's value": (11.5135, 2.29199),
            "first token": (3.4846, 2.28656),
        },
    ),
    "noisy-in-context-recall": (
        10000,
        {
            "scored": (43.6684, 3.18642),
            "noise slots": (12.3415, 3.18928),
            "distinct keys": (7.9901, 0.099005),
            "distinct values": (5.2399, 0.901303),
            "probe's presentations": (6.3489, 2.37335),
            "probe's first slot": (8.7849, 9.01975),
            "probe's key": (3.4812, 2.27725),
            "probe's value": (11.5106, 2.28899),
            "first token": (7.3371, 8.3766),
        },
    ),
    "in-context-recall/vocab_size=11,seq_len=24": (
        20000,
        {
            "scored": (7.4233, 0.556522),
            "noise slots": (0.0, 0.0),
            "distinct keys": (4.5767, 0.556522),
            "distinct values": (3.3736, 0.765978),
            "probe's presentations": (2.4498, 1.21897),
            "probe's first slot": (2.91345, 2.71871),
            "probe's key": (1.99605, 1.40842),
            "probe's value": (7.5003, 1.71),
            "first token": (1.9974, 1.41375),
        },
    ),
    "noisy-in-context-recall/vocab_size=10,seq_len=20,noise_vocab_size=3,frac_noise=0.8": (
        20000,
        {
            "scored": (1.7239, 0.816804),
            "noise slots": (6.4504, 1.12997),
            "distinct keys": (1.8257, 0.68141),
            "distinct values": (1.5876, 0.602848),
            "probe's presentations": (1.4331, 0.660246),
            "probe's first slot": (3.3365, 2.53657),
            "probe's key": (0.9961, 0.815159),
            "probe's value": (4.4952, 1.12026),
            "first token": (5.99415, 3.26714),
        },
    ),
}


@pytest.mark.parametrize("source", ["archer", "mad-lab"])
@pytest.mark.parametrize("setting", [ICR, NOISY], ids=["plain", "noisy"])
class TestStructure:
    """What holds for every instance, ours and mad-lab's."""

    @pytest.fixture
    def data(self, source, setting, mad_lab):
        def load(name):
            return mad_lab(setting.task, name) if source == "mad-lab" else split(setting, name, 0)

        return load

    def test_test_labels_are_the_values_of_keys_already_seen(self, data, setting):
        test = data("test")
        _, both = setting.recall_vocab
        for whole, targets in zip(slots(test.inputs, test.targets), test.targets, strict=True):
            assert expected_labels(whole, both) == targets.tolist()

    def test_training_labels_are_the_next_tokens(self, data, setting):
        train = data("train")
        _, both = setting.recall_vocab
        np.testing.assert_array_equal(train.targets[:, :-1], train.inputs[:, 1:])
        for whole in slots(train.inputs, train.targets):
            expected_labels(whole, both)  # keys keep their values in training too

    def test_tokens_come_from_their_part_of_the_vocabulary(self, data, setting):
        keys, both = setting.recall_vocab
        for name in ("train", "test"):
            part = data(name)
            pairs = slots(part.inputs, part.targets)
            noise = pairs[..., 0] >= both
            assert set(np.unique(pairs[~noise][:, 0])) == set(range(keys))
            assert set(np.unique(pairs[~noise][:, 1])) == set(range(keys, both))
            if setting is NOISY:
                assert set(np.unique(pairs[noise])) == set(range(both, setting.vocab_size))
            else:
                assert not noise.any()


@pytest.mark.parametrize("setting", [ICR, NOISY, SMALL, LOUD], ids=lambda s: s.name)
def test_statistics_are_those_of_mad_lab(setting, agrees):
    n = 30_000 if setting.seq_len < 100 else 2_000
    for name in ("train", "test"):
        data = split(setting, name, 0, n=n)
        found = facts(setting, data.inputs, data.targets)
        if name == "train":
            found.pop("scored")
        count, measured = MEASURED[setting.name]
        agrees(found, {k: measured[k] for k in found}, count)


def test_one_slot_is_protected_from_noise():
    loud = Setting("noisy-in-context-recall", 10, 20, noise_vocab_size=3, frac_noise=0.99)
    keys = split(loud, "train", 0, n=4_096).inputs[:, :18:2]
    pairs = (keys < loud.recall_vocab[1]).sum(axis=1)
    assert pairs.min() == 1  # never a sequence of noise alone, even where the probe's slot is drawn
    assert (pairs == 1).mean() > 0.9


@pytest.mark.parametrize(
    ("module", "tiny"),
    [
        (in_context_recall, Setting("in-context-recall", 6, 16)),
        (
            noisy_in_context_recall,
            Setting("noisy-in-context-recall", 8, 16, noise_vocab_size=2, frac_noise=0.3),
        ),
    ],
)
def test_the_docstring_draws_a_real_instance(module, tiny, drawing):
    for line in drawing(tiny, "test"):
        assert line in module.__doc__
