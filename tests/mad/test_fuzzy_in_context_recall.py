"""Fuzzy recall: motifs, lengths, padding, labels, and mad-lab's statistics."""

import numpy as np
import pytest

from archer.mad import Setting, baseline, fuzzy_in_context_recall, split
from archer.mad.sequences import IGNORE

FUZZY = baseline("fuzzy-in-context-recall")
SMALL = Setting("fuzzy-in-context-recall", 11, 40, k_motif_size=2, v_motif_size=3)
WIDE = Setting("fuzzy-in-context-recall", 32, 128, k_motif_size=3, v_motif_size=3)


def parse(setting, tokens):
    """One whole sequence -> (number of leading pads, [(start, key, value), ...])."""
    keys, _ = setting.recall_vocab
    pads = 0
    while tokens[pads] == setting.vocab_size - 1:
        pads += 1
    pairs, at = [], pads
    while at < len(tokens):
        end_key = at
        while tokens[end_key] < keys:
            end_key += 1
        end = end_key
        while end < len(tokens) and tokens[end] >= keys:
            end += 1
        pairs.append((at - pads, tuple(tokens[at:end_key]), tuple(tokens[end_key:end])))
        at = end
    return pads, pairs


def whole(inputs, targets):
    """The sequences before the shift: the last token is the last label, always scored."""
    return np.column_stack([inputs, targets[:, -1]]).tolist()


def facts(setting, inputs, targets):
    """Per-instance numbers whose means tell distributions apart, [n] each."""
    rows = []
    for sequence, labels in zip(whole(inputs, targets), targets, strict=True):
        pads, pairs = parse(setting, sequence)
        *context, (_, probe, value) = pairs
        starts = [start for start, key, _ in context if key == probe]
        rows.append(
            {
                "scored": (labels != IGNORE).sum(),
                "pads": pads,
                "pads squared": pads**2,
                "pairs": len(pairs),
                "distinct keys": len({key for _, key, _ in context}),
                "key tokens": sum(len(key) for _, key, _ in context),
                "value tokens": sum(len(v) for _, _, v in context),
                "unanswerable": not starts,
                "probe's presentations": len(starts),
                "probe's first start": starts[0] if starts else 0,
                "probe's last start": starts[-1] if starts else 0,
                "probe's key tokens": len(probe),
                "probe's value tokens": len(value),
                "unanswerable tokens": 0 if starts else len(value),
                "probe's first token": probe[0],
                "probe's last token": value[-1],
            }
        )
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


# measured on mad-lab @ 0f49a45: {(name, split): (instances, {fact: (mean, deviation)})}
MEASURED = {
    ("fuzzy-in-context-recall/vocab_size=11,seq_len=40,k_motif_size=2", "train"): (
        20000,
        {
            "scored": (40.0, 0.0),
            "pads": (4.6221, 1.18397),
            "pads squared": (22.7656, 10.3761),
            "pairs": (10.4053, 1.10961),
            "distinct keys": (7.4678, 1.12319),
            "key tokens": (14.1632, 1.72698),
            "value tokens": (18.7085, 1.72836),
            "unanswerable": (0.0476, 0.212918),
            "probe's presentations": (1.2593, 0.669823),
            "probe's first start": (12.3325, 9.1117),
            "probe's last start": (15.5273, 9.50253),
            "probe's key tokens": (1.4991, 0.499999),
            "probe's value tokens": (2.0071, 0.81268),
            "unanswerable tokens": (0.08685, 0.424861),
            "probe's first token": (1.9986, 1.41081),
            "probe's last token": (6.99675, 1.42437),
        },
    ),
    ("fuzzy-in-context-recall/vocab_size=11,seq_len=40,k_motif_size=2", "test"): (
        20000,
        {
            "scored": (4.33685, 2.02664),
            "pads": (4.41555, 1.25266),
            "pads squared": (21.0663, 10.6712),
            "pairs": (9.1615, 0.790201),
            "distinct keys": (6.95635, 1.02423),
            "key tokens": (16.323, 1.5804),
            "value tokens": (16.2645, 1.4922),
            "unanswerable": (0.04865, 0.215135),
            "probe's presentations": (1.1314, 0.499534),
            "probe's first start": (12.8147, 8.99811),
            "probe's last start": (14.8261, 9.24523),
            "probe's key tokens": (2.0, 0.0),
            "probe's value tokens": (1.9969, 0.818224),
            "unanswerable tokens": (0.08795, 0.426163),
            "probe's first token": (1.99545, 1.41203),
            "probe's last token": (7.0045, 1.413),
        },
    ),
    ("fuzzy-in-context-recall", "train"): (
        12000,
        {
            "scored": (128.0, 0.0),
            "pads": (5.32408, 1.37969),
            "pads squared": (30.2494, 13.9291),
            "pairs": (30.8897, 1.86985),
            "distinct keys": (24.1153, 1.84839),
            "key tokens": (59.9319, 3.627),
            "value tokens": (59.7365, 3.60195),
            "unanswerable": (0.01825, 0.133854),
            "probe's presentations": (1.33658, 0.761333),
            "probe's first start": (48.9438, 33.8188),
            "probe's last start": (60.9464, 34.5993),
            "probe's key tokens": (2.00208, 0.814501),
            "probe's value tokens": (2.00542, 0.816121),
            "unanswerable tokens": (0.0340833, 0.273414),
            "probe's first token": (2.97575, 2.00836),
            "probe's last token": (10.5467, 2.29601),
        },
    ),
    ("fuzzy-in-context-recall", "test"): (
        12000,
        {
            "scored": (4.40258, 2.37484),
            "pads": (4.92275, 1.53448),
            "pads squared": (26.5881, 14.7878),
            "pairs": (24.8239, 0.922177),
            "distinct keys": (22.6089, 1.31712),
            "key tokens": (71.4718, 2.76653),
            "value tokens": (47.6181, 2.5899),
            "unanswerable": (0.0228333, 0.149372),
            "probe's presentations": (1.029, 0.276874),
            "probe's first start": (55.1382, 34.0771),
            "probe's last start": (57.2093, 34.2348),
            "probe's key tokens": (3.0, 0.0),
            "probe's value tokens": (1.98742, 0.815123),
            "unanswerable tokens": (0.0433333, 0.309498),
            "probe's first token": (3.00842, 2.00371),
            "probe's last token": (10.4718, 2.2723),
        },
    ),
    ("fuzzy-in-context-recall/vocab_size=32", "train"): (
        1000,
        {
            "scored": (128.0, 0.0),
            "pads": (5.338, 1.34527),
            "pads squared": (30.304, 13.6521),
            "pairs": (30.908, 1.80098),
            "distinct keys": (27.041, 1.63564),
            "key tokens": (59.799, 3.46246),
            "value tokens": (59.768, 3.46182),
            "unanswerable": (0.021, 0.143384),
            "probe's presentations": (1.11, 0.447102),
            "probe's first start": (52.678, 33.7622),
            "probe's last start": (57.338, 34.0641),
            "probe's key tokens": (2.022, 0.821898),
            "probe's value tokens": (2.073, 0.815887),
            "unanswerable tokens": (0.045, 0.333129),
            "probe's first token": (6.778, 4.30961),
            "probe's last token": (22.629, 4.59645),
        },
    ),
    ("fuzzy-in-context-recall/vocab_size=32", "test"): (
        1000,
        {
            "scored": (2.23, 1.07196),
            "pads": (4.912, 1.54992),
            "pads squared": (26.53, 14.8389),
            "pairs": (24.795, 0.860799),
            "distinct keys": (23.692, 0.916044),
            "key tokens": (71.385, 2.5824),
            "value tokens": (47.676, 2.46191),
            "unanswerable": (0.027, 0.162083),
            "probe's presentations": (0.974, 0.1653),
            "probe's first start": (57.063, 34.2858),
            "probe's last start": (57.131, 34.2757),
            "probe's key tokens": (3.0, 0.0),
            "probe's value tokens": (2.027, 0.815028),
            "unanswerable tokens": (0.042, 0.279707),
            "probe's first token": (7.059, 4.23385),
            "probe's last token": (22.274, 4.4738),
        },
    ),
}


@pytest.mark.parametrize("source", ["archer", "mad-lab"])
class TestStructure:
    """What holds for every instance, ours and mad-lab's."""

    @pytest.fixture
    def data(self, source, mad_lab):
        def load(name):
            return mad_lab(FUZZY.task, name) if source == "mad-lab" else split(FUZZY, name, 0, 600)

        return load

    @pytest.mark.parametrize("name", ["train", "test"])
    def test_motifs_repeat_no_token_and_keys_keep_their_values(self, data, name):
        part = data(name)
        key_sizes, value_sizes = set(), set()
        for sequence in whole(part.inputs, part.targets):
            pads, pairs = parse(FUZZY, sequence)
            assert 2 <= pads <= 7
            assert FUZZY.vocab_size - 1 not in sequence[pads:]
            value_of = {}
            for _, key, value in pairs:
                assert len(set(key)) == len(key)
                assert len(set(value)) == len(value)
                assert value_of.setdefault(key, value) == value
                key_sizes.add(len(key))
                value_sizes.add(len(value))
        assert key_sizes == ({1, 2, 3} if name == "train" else {3})
        assert value_sizes == {1, 2, 3}

    def test_training_labels_are_the_next_tokens_pads_too(self, data):
        train = data("train")
        np.testing.assert_array_equal(train.targets[:, :-1], train.inputs[:, 1:])
        assert (train.targets[:, 0] == FUZZY.vocab_size - 1).all()

    def test_test_labels_are_the_values_of_keys_already_seen(self, data):
        test = data("test")
        for sequence, targets in zip(whole(test.inputs, test.targets), test.targets, strict=True):
            pads, pairs = parse(FUZZY, sequence)
            labels, seen = [IGNORE] * pads, set()
            for i, (_, key, value) in enumerate(pairs):
                scored = key in seen or i == len(pairs) - 1
                labels += [IGNORE] * len(key) + (list(value) if scored else [IGNORE] * len(value))
                seen.add(key)
            assert labels[1:] == targets.tolist()


@pytest.mark.parametrize("name", ["train", "test"])
@pytest.mark.parametrize("setting", [FUZZY, SMALL, WIDE], ids=lambda s: s.name)
def test_statistics_are_those_of_mad_lab(setting, name, agrees):
    count, measured = MEASURED[setting.name, name]
    data = split(setting, name, 0, n=6_000)
    agrees(facts(setting, data.inputs, data.targets), measured, count)


def test_two_percent_of_probes_were_never_presented():
    data = split(FUZZY, "test", 0, n=6_000)
    found = facts(FUZZY, data.inputs, data.targets)
    assert 0.014 < found["unanswerable"].mean() < 0.026


def test_motifs_are_uniform_over_permutations():
    tokens, filled = fuzzy_in_context_recall._motifs((3_000, 8), 3, 4, 1, np.random.default_rng(0))
    counts = np.unique((tokens @ [1, 10, 100]).ravel(), return_counts=True)[1]
    assert len(counts) == 24
    expected = 24_000 / 24
    assert ((counts - expected) ** 2 / expected).sum() < 50  # chi-square, 23 degrees: p = 0.001
    lengths = np.bincount(filled.sum(axis=2).ravel(), minlength=4)
    assert lengths[0] == 0
    assert (abs(lengths[1:] - 8_000) < 4 * (24_000 * 2 / 9) ** 0.5).all()


@pytest.mark.parametrize(
    "setting",
    [
        Setting("fuzzy-in-context-recall", 3, 5),
        Setting("fuzzy-in-context-recall", 9, 17, k_motif_size=4, v_motif_size=4),
        Setting("fuzzy-in-context-recall", 128, 64, k_motif_size=1, v_motif_size=5),
    ],
    ids=lambda s: s.name,
)
@pytest.mark.parametrize("name", ["train", "test"])
def test_smallest_and_lopsided_settings(setting, name):
    data = split(setting, name, 0, n=300)
    for sequence in whole(data.inputs, data.targets):
        pads, pairs = parse(setting, sequence)
        assert 2 <= pads <= setting.k_motif_size + setting.v_motif_size + 1
        assert pads + sum(len(key) + len(value) for _, key, value in pairs) == setting.seq_len + 1


def test_the_docstring_draws_a_real_instance(drawing):
    tiny = Setting("fuzzy-in-context-recall", 7, 28, k_motif_size=2, v_motif_size=2)
    for line in drawing(tiny, "test"):
        assert line in fuzzy_in_context_recall.__doc__
