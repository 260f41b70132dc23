"""Compiling ahead: the tiny trainings stand for their populations, and cost next to nothing."""

from dataclasses import replace

import pytest

from archer.mad import warm
from archer.mad.plan import make_plan
from archer.mad.presets import core, mad, smoke
from archer.mad.settings import TASKS
from archer.mad.warm import tiny, warming
from archer.mad.work import train
from archer.rules.load import builtin_graph


def test_a_tiny_population_has_the_kernels_of_the_whole():
    plan = make_plan([builtin_graph("gated_delta")], mad(), together=True, precision="bf16")
    for population in plan.populations:
        small = tiny(population)
        a, b = small.trials[0], population.trials[0]
        assert (a.rule, a.learn, a.regime.batch_size) == (b.rule, b.learn, b.regime.batch_size)
        assert a.model.length == b.model.length
        copied = {bool(t.setting.num_tokens_to_copy) for t in population.trials}
        assert {bool(a.setting.num_tokens_to_copy)} == copied, "all positions scored, or a few"
        assert a.model.vocab_size == max(t.model.vocab_size for t in population.trials)
        assert small.training_tokens == 3 * a.regime.batch_size * a.model.length


def test_it_trains_one_step():
    plan = make_plan([builtin_graph("momentum")], smoke())
    for population in plan.populations:
        results = train(tiny(population), "cpu")
        assert [result.steps for result in results] == [1, 1, 1]


def test_a_processor_is_not_warmed(monkeypatch):
    monkeypatch.setattr(warm, "Pool", lambda *_: pytest.fail("started"))
    plan = make_plan([builtin_graph("delta")], smoke())
    with warming(plan.populations, "cpu"):
        pass


def test_all_but_the_first_are_warmed_new_kernels_first(monkeypatch):
    """Workers are started and ended, whatever the trainings inside do."""
    made = []

    class Spy:
        def __init__(self, populations, *rest, **options):
            made.append([(p.trials[0].rule.name, p.trials[0].setting.task) for p in populations])
            assert options == {"in_order": True}

        def open(self, workers):
            made.append(workers)

        def close(self):
            made.append("closed")

    monkeypatch.setattr(warm, "Pool", Spy)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(4)))
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda: (2**40, 2**40))
    plan = make_plan([builtin_graph(name) for name in ("delta", "gated_delta")], smoke())
    with pytest.raises(KeyboardInterrupt), warming(plan.populations, "cuda"):
        raise KeyboardInterrupt
    compress, context, fuzzy, memorize, noisy, copy = TASKS
    first = [("delta", context), ("delta", fuzzy)]
    first += [("gated_delta", task) for task in (compress, context, fuzzy)]
    # 8 tokens in compression and memorization, 31 in fuzzy recall, 32 in the others
    rest = [(rule, task) for rule in ("delta", "gated_delta") for task in (memorize, noisy, copy)]
    assert made == [first + rest, 3, "closed"]


def test_one_population_has_nothing_to_be_warmed(monkeypatch):
    monkeypatch.setattr(warm, "Pool", lambda *_, **__: pytest.fail("started"))
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda: (2**40, 2**40))
    plan = make_plan([builtin_graph("delta")], smoke().only(["memorization"]), seeds=2)
    assert len(plan.populations) == 1
    with warming(plan.populations, "cuda"):
        pass


def _no_such_layer(*_: object) -> int:
    raise ValueError("head_dim must be a multiple of 8")


def test_a_layer_that_cannot_be_made_is_left_to_its_training(monkeypatch):
    """Other rows go on: docs/peers.md."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(4)))
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda: (2**40, 2**40))
    monkeypatch.setattr(warm, "memory", _no_such_layer)
    plan = make_plan([builtin_graph("delta")], smoke())
    assert warm._most([tiny(population) for population in plan.populations]) == 3


def test_fewer_are_warmed_at_a_time_where_each_wants_much_memory(monkeypatch):
    """A state per token, in three members: some 60 GiB a process, of 141 here."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(64)))
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda: (141 << 30, 141 << 30))
    adam, found = builtin_graph("adam"), []
    for C in (32, 1):
        plan = make_plan([replace(adam.with_chunk_size(C), name="mine")], core(), precision="bf16")
        small = [tiny(population) for population in plan.populations]
        found.append(warm._most(small))
        assert found[-1] * warm._room(small) <= 141 << 30
    assert found[0] == 16
    assert 0 <= found[1] < 4
