"""The 66 settings, their names, and the settings that cannot be."""

from dataclasses import replace

import pytest

from archer.errors import ArcherError
from archer.mad import COLUMNS, TASKS, Setting, baseline
from archer.mad.settings import settings

# task: every setting as (vocabulary, length, training examples, what is special to the task)
PROTOCOL = {
    "compression": [
        (16, 32, 12_800),
        *((v, 32, 12_800) for v in (32, 64, 128)),
        *((16, n, 12_800) for n in (64, 128, 256)),
        *((16, 32, n) for n in (6_400, 3_200, 1_600, 800)),
    ],
    "in-context-recall": [
        (16, 128, 12_800),
        *((v, 128, 12_800) for v in (32, 64, 128)),
        *((16, n, 12_800) for n in (256, 512, 1024)),
        *((16, 128, n) for n in (6_400, 3_200, 1_600, 800)),
    ],
    "fuzzy-in-context-recall": [
        (16, 128, 12_800, 3, 3),
        *((v, 128, 12_800, 3, 3) for v in (32, 64, 128)),
        *((16, n, 12_800, 3, 3) for n in (256, 512, 1024)),
        *((16, 128, n, 3, 3) for n in (6_400, 3_200, 1_600, 800)),
    ],
    "memorization": [(v, 32, 256) for v in (256, 512, 1024, 2048, 4096, 8192)],
    "noisy-in-context-recall": [
        (32, 128, 12_800, 16, 0.2),
        *((v, 128, 12_800, 16, 0.2) for v in (48, 80, 144)),
        *((32, n, 12_800, 16, 0.2) for n in (256, 512, 1024)),
        *((32, 128, n, 16, 0.2) for n in (6_400, 3_200, 1_600, 800)),
        *((32, 128, 12_800, 16, frac) for frac in (0.4, 0.6, 0.8)),
    ],
    "selective-copying": [
        (16, 256, 12_800, 16),
        *((v, 256, 12_800, 16) for v in (32, 64, 128)),
        *((16, n, 12_800, 16) for n in (512, 1024)),
        *((16, 256, n, 16) for n in (6_400, 3_200, 1_600, 800)),
        *((16, 256, 12_800, n) for n in (32, 64, 96)),
    ],
}
SPECIAL = {
    "fuzzy-in-context-recall": ("k_motif_size", "v_motif_size"),
    "noisy-in-context-recall": ("noise_vocab_size", "frac_noise"),
    "selective-copying": ("num_tokens_to_copy",),
}


def test_the_settings_are_the_protocols():
    assert list(PROTOCOL) == list(TASKS)
    for task, rows in PROTOCOL.items():
        names = ("vocab_size", "seq_len", "num_train_examples", *SPECIAL.get(task, ()))
        expected = [Setting(task, **dict(zip(names, row, strict=True))) for row in rows]
        assert settings(task) == expected
        assert expected[0] == baseline(task)


def test_there_are_66_and_no_two_alike():
    per_task = [len(settings(task)) for task in TASKS]
    assert per_task == [11, 11, 11, 6, 14, 13]
    every = [setting for task in TASKS for setting in settings(task)]
    assert len({s.name for s in every}) == len(set(every)) == 66
    assert {(s.num_test_examples, s.num_validation_examples) for s in every} == {(1_280, 1_280)}


def test_columns_are_in_table_order():
    assert list(COLUMNS.values()) == [
        "Compress",
        "Context Recall",
        "Fuzzy Recall",
        "Memorize",
        "Noisy Recall",
        "Selective Copy",
    ]


def test_names_tell_what_differs_from_the_baseline():
    recall = baseline("in-context-recall")
    assert recall.name == "in-context-recall"
    assert replace(recall, vocab_size=32).name == "in-context-recall/vocab_size=32"
    changed = replace(recall, seq_len=64, num_test_examples=10)
    assert changed.name == "in-context-recall/seq_len=64,num_test_examples=10"
    noisy = replace(baseline("noisy-in-context-recall"), frac_noise=0)
    assert noisy.name == "noisy-in-context-recall/frac_noise=0.0"


@pytest.mark.parametrize("task", TASKS)
def test_length_is_that_of_mad_labs_arrays(task, mad_lab):
    for name in ("train", "test"):
        assert mad_lab(task, name).inputs.shape == (64, baseline(task).length)


@pytest.mark.parametrize(
    ("task", "hint"),
    [
        ("memorisation", "did you mean memorization"),
        ("in_context_recall", "did you mean in-context-recall"),
        ("xyz", "the tasks are compression, in-context-recall"),
    ],
)
def test_an_unknown_task_names_the_nearest(task, hint):
    for call in (baseline, settings, lambda t: Setting(t, 16, 32)):
        with pytest.raises(ArcherError, match=f"unknown task '{task}': .*{hint}"):
            call(task)


@pytest.mark.parametrize(
    ("task", "field", "value"),
    [
        ("in-context-recall", "seq_len", 127),
        ("in-context-recall", "seq_len", 2),
        ("in-context-recall", "vocab_size", 1),
        ("in-context-recall", "vocab_size", 16.0),
        ("in-context-recall", "vocab_size", True),
        ("in-context-recall", "vocab_size", "16"),
        ("in-context-recall", "frac_noise", 0.2),
        ("in-context-recall", "num_tokens_to_copy", 4),
        ("noisy-in-context-recall", "frac_noise", 1.0),
        ("noisy-in-context-recall", "frac_noise", -0.1),
        ("noisy-in-context-recall", "frac_noise", float("nan")),
        ("noisy-in-context-recall", "frac_noise", "much"),
        ("noisy-in-context-recall", "noise_vocab_size", 0),
        ("noisy-in-context-recall", "vocab_size", 17),
        ("fuzzy-in-context-recall", "vocab_size", 6),
        ("fuzzy-in-context-recall", "k_motif_size", 0),
        ("fuzzy-in-context-recall", "v_motif_size", 9),
        ("fuzzy-in-context-recall", "seq_len", 12),
        ("memorization", "seq_len", 31),
        ("memorization", "vocab_size", 2),
        ("compression", "seq_len", 1),
        ("compression", "vocab_size", 1),
        ("compression", "num_train_examples", 0),
        ("compression", "num_test_examples", -1),
        ("compression", "k_motif_size", 3),
        ("selective-copying", "num_tokens_to_copy", 128),
        ("selective-copying", "num_tokens_to_copy", 0),
        ("selective-copying", "seq_len", 33),
        ("selective-copying", "vocab_size", 2),
    ],
)
def test_impossible_settings_name_the_field_and_the_fix(task, field, value):
    with pytest.raises(ArcherError, match=rf"^{task}: .*\b(use|leave it at)\b") as caught:
        replace(baseline(task), **{field: value})
    assert "\n" not in str(caught.value)
    if (task, field) not in {
        ("fuzzy-in-context-recall", "v_motif_size"),  # the vocabulary is then what is too small
        ("selective-copying", "num_tokens_to_copy"),  # or the length too short
    }:
        assert f"{field}={value!r}" in str(caught.value)


@pytest.mark.parametrize(
    "setting",
    [
        ("fuzzy-in-context-recall", 7, 13, {"k_motif_size": 3, "v_motif_size": 3}),
        ("selective-copying", 16, 34, {"num_tokens_to_copy": 16}),
        ("memorization", 3, 2, {}),
        ("in-context-recall", 2, 4, {}),
        ("compression", 2, 2, {}),
    ],
)
def test_the_smallest_possible_settings_are_accepted(setting):
    task, vocab_size, seq_len, special = setting
    assert Setting(task, vocab_size, seq_len, **special).length >= 2
