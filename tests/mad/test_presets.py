"""What each preset promises."""

import math
from dataclasses import replace

import pytest

from archer.errors import ArcherError
from archer.mad.presets import PRESETS, core, mad, preset, quick, smoke
from archer.mad.settings import TASKS, baseline, settings

ONE_CHUNK = ("memorization", "compression")


def test_presets_are_named_functions():
    assert list(PRESETS) == ["smoke", "quick", "core", "mad"]
    for name, build in PRESETS.items():
        assert build.__name__ == build().name == name
        assert preset(name) == build()
        assert build().settings[0].task == "compression"
        assert {s.task for s in build().settings} == set(TASKS)


def test_an_unknown_preset_names_the_known_ones():
    with pytest.raises(ArcherError, match="'large': the presets are smoke, quick, core, mad"):
        preset("large")


def test_quick_is_small_and_has_four_chunks_where_the_chunk_matters():
    small = quick()
    assert small.dim <= 64
    assert small.chunk_size == 16
    assert len(small.lrs) == len(small.weight_decays) == 1
    assert [s.task for s in small.settings] == list(TASKS)
    for setting in small.settings:
        assert setting.seq_len <= 64
        chunks = math.ceil(setting.length / 16)
        assert chunks == 1 if setting.task in ONE_CHUNK else chunks >= 4


def test_only_core_and_mad_are_the_benchmark():
    comparable = {name for name, build in PRESETS.items() if build().comparable}
    assert comparable == {"core", "mad"}
    for build in (core, mad):
        chosen = build()
        assert (chosen.dim, chosen.blocks, chosen.heads, chosen.epochs) == (128, 2, 1, 200)
        assert chosen.chunk_size is None
        assert len(chosen.lrs) * len(chosen.weight_decays) == 6
    assert core().settings == tuple(baseline(task) for task in TASKS)
    assert mad().settings == tuple(s for task in TASKS for s in settings(task))


def test_only_keeps_the_presets_order_whatever_is_asked():
    chosen = smoke().only(["memorization", "compression", "memorization"])
    assert [s.task for s in chosen.settings] == ["compression", "memorization"]
    assert replace(chosen, settings=smoke().settings) == smoke()
    assert smoke().only(None) == smoke()


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        (["memorisation"], "unknown task 'memorisation': did you mean memorization"),
        ([], "no task given: name at least one of compression"),
    ],
)
def test_only_refuses_unknown_tasks_and_none_at_all(tasks, message):
    with pytest.raises(ArcherError, match=message):
        smoke().only(tasks)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("epochs", 0, "epochs is 0; it must be a whole number from 1"),
        ("epochs", 2.5, "epochs is 2.5; it must be a whole number from 1"),
        ("batch_size", -1, "batch_size is -1; it must be a whole number from 1"),
        ("chunk_size", 0, "chunk_size is 0; it must be a whole number from 1"),
        ("lrs", (), r"lrs is \(\); give numbers from 0, at least one"),
        ("lrs", (1e-3, math.nan), r"lrs is \(0.001, nan\); give numbers from 0"),
        ("weight_decays", (-0.1,), r"weight_decays is \(-0.1,\); give numbers from 0"),
    ],
)
def test_a_preset_that_cannot_be_trained_is_refused(field, value, message):
    with pytest.raises(ArcherError, match=message):
        replace(smoke(), **{field: value})
