"""What reaches the store while a population trains, and what is left beside it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from archer.benchmark import run_plan
from archer.errors import ArcherError
from archer.mad.plan import Population
from archer.mad.runner import Event
from archer.mad.work import Keep
from archer.report.progress import watch
from archer.store import open_store, training
from archer.store.testing import ELSEWHERE, ids_of, made_up_result, results_of, small_plan
from archer.store.training import checkpoint_seconds, train_missing
from archer.train.checkpoint import file_of, kept


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Checkpoints of everything in the small plan."""
    path = tmp_path / "checkpoints"
    path.mkdir()
    for id in ids_of(*small_plan().populations):
        file_of(path, id).write_bytes(b"where it stands")
    return path


def complete(store, plan, folder: Path | None = None) -> dict[str, str]:
    keep = Keep(checkpoints=None if folder is None else str(folder))
    return train_missing(plan, store, "cpu", 1, lambda part: watch(part, False), print, keep)


def scripted(monkeypatch, events) -> list[tuple[list[Population], dict]]:
    """Replaces the training; returns what was asked to be trained, and how."""
    asked = []

    def run(populations, device, workers, **options) -> Iterator[Event]:
        asked.append((populations, options))
        for index, population in enumerate(populations):
            yield Event(index, 0, "began")
            yield from events(index, population)

    monkeypatch.setattr(training, "run", run)
    return asked


def ended(index: int, population: Population, *places: int) -> Event:
    results = ((place, made_up_result(population.trials[place])) for place in places)
    return Event(index, 0, "ended", ended=tuple(results))


def test_results_are_stored_as_members_end_and_survive_the_failure_of_the_others(
    store, folder, monkeypatch
):
    plan = small_plan()
    first, second = (ids_of(population) for population in plan.populations)

    def events(index, population):
        yield ended(index, population, 1)
        states = {id: state for id, (state, _) in store.states(ids_of(population)).items()}
        assert list(states.values()).count("finished") == 1, "stored at once"
        yield ended(index, population, 0)
        yield Event(index, 0, "failed", reason="no memory")

    asked = scripted(monkeypatch, events)
    failures = complete(store, plan, folder)
    assert failures == {first[2]: "no memory", second[2]: "no memory"}
    states = store.states([*first, *second])
    for ids in (first, second):
        assert [states[id] for id in ids] == [
            ("finished", ""),
            ("finished", ""),
            ("failed", "no memory"),
        ]
    assert repr(store.results(first)[first[1]]) == repr(results_of(plan.populations[0])[first[1]])
    assert kept(folder) == sorted([first[2], second[2]]), "for when they are tried again"
    assert len(asked) == 1
    assert asked[0][1]["keep"] == Keep(checkpoints=str(folder))


def test_the_folder_of_checkpoints_goes_with_the_last_of_them(store, folder, monkeypatch):
    plan = small_plan()
    scripted(monkeypatch, lambda index, population: [ended(index, population, 0, 1, 2)])
    assert complete(store, plan, folder) == {}
    assert not folder.exists()


def test_a_checkpoint_that_outlived_its_trial_is_removed_and_no_other(store, folder, monkeypatch):
    plan = small_plan()
    first = plan.populations[0]
    with store.begin(plan, "cpu") as run:
        assert run.claim(first)
        run.finish(results_of(first))
    (folder / "somebody elses.safetensors").write_bytes(b"")

    def events(index, population):
        assert kept(folder) == sorted([*ids_of(plan.populations[1]), "somebody elses"])
        yield ended(index, population, 0, 1, 2)

    scripted(monkeypatch, events)
    complete(store, plan, folder)
    assert kept(folder) == ["somebody elses"]


def test_what_is_left_is_trained_by_as_many_threads_as_the_whole(store, monkeypatch):
    """They take part in rounding: two workers of two threads are not one of four."""
    monkeypatch.setattr("archer.mad.runner._cores", lambda: 4)
    plan = small_plan()
    first = plan.populations[0]
    with store.begin(plan, "cpu") as run:
        assert run.claim(first)
        run.finish(results_of(first))
    asked = scripted(monkeypatch, lambda index, population: [ended(index, population, 0, 1, 2)])
    train_missing(plan, store, "cpu", None, lambda part: watch(part, False), print)
    ((populations, options),) = asked
    assert (len(populations), options["threads"]) == (1, 2)


def test_a_full_disk_ends_it_in_one_line_and_the_same_command_continues(
    store, folder, monkeypatch, tmp_path
):
    plan = small_plan(seeds=40)
    first = ids_of(plan.populations[0])

    def full(index, population):
        yield ended(index, population, 0)
        with store._engine.connect() as connection:  # no page more than there are
            connection.exec_driver_sql("PRAGMA max_page_count=1")
        yield ended(index, population, *range(1, 40))

    scripted(monkeypatch, full)
    with pytest.raises(
        ArcherError, match="disk is full; nothing stored is lost; free some"
    ) as told:
        complete(store, plan, folder)
    assert "\n" not in str(told.value)
    store.close()
    with open_store(tmp_path) as again:
        found = again.states(first)
        assert [found[id][0] for id in first] == ["finished"] + ["waiting"] * 39
        scripted(monkeypatch, lambda i, p: [ended(i, p, *p.left)])
        assert complete(again, plan, folder) == {}
        assert set(again.results(first)) == set(first)


@pytest.mark.parametrize("text", ["soon", "-1", "nan", "inf", ""])
def test_seconds_between_checkpoints_must_be_some(monkeypatch, text):
    monkeypatch.setenv("ARCHER_CHECKPOINT_SECONDS", text)
    with pytest.raises(ArcherError, match=r"ARCHER_CHECKPOINT_SECONDS=.*: give seconds, as in 60"):
        checkpoint_seconds()


def test_seconds_between_checkpoints(monkeypatch):
    monkeypatch.delenv("ARCHER_CHECKPOINT_SECONDS", raising=False)
    assert checkpoint_seconds() == 60.0
    monkeypatch.setenv("ARCHER_CHECKPOINT_SECONDS", "0.5")
    assert checkpoint_seconds() == 0.5


class Terminated(KeyboardInterrupt):
    """As a command line may raise on SIGTERM."""


@pytest.mark.parametrize("signal", [KeyboardInterrupt, Terminated])
def test_who_stops_it_is_told_what_is_kept(store, monkeypatch, signal):
    def events(index, population):
        yield ended(index, population, 2)
        raise signal

    scripted(monkeypatch, events)
    with pytest.raises(signal) as stopped:
        run_plan(small_plan(), "cpu", 1, progress=False, store=store)
    assert type(stopped.value) is signal
    told = f"1 of 6 trials are kept in {store.where}; the same command continues"
    assert stopped.value.args == (told,)


def test_who_lost_its_trials_leaves_the_checkpoints_of_who_has_them_now(store, folder):
    plan = small_plan()
    first, second = plan.populations
    with (
        store.begin(plan, "cpu", owner=ELSEWHERE, lease=0.0) as late,
        store.begin(plan, "cpu") as new,
    ):
        assert late.claim(first)
        assert late.claim(second)
        assert new.claim(first)
        slow = training._Training((first, second), late, Keep(checkpoints=str(folder)), {})
        for index, population in enumerate((first, second)):
            slow._store(ended(index, population, 0))
    mine, theirs = first.trials[0].id, second.trials[0].id
    assert file_of(folder, mine).exists()
    assert not file_of(folder, theirs).exists()
