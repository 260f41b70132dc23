"""Workers: the same results as training here, and what happens when one of them is lost."""

import json
import subprocess
import threading
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open

from archer.errors import ArcherError
from archer.mad import pool
from archer.mad.plan import Population, make_plan
from archer.mad.presets import smoke
from archer.mad.runner import Event, _run_here, run, worker_count
from archer.mad.work import Keep, train
from archer.rules.load import builtin_graph
from archer.train.checkpoint import file_of, kept
from archer.train.results import MemberResult, result_from_json, result_to_json

pytestmark = pytest.mark.usefixtures("workers")


def populations(*tasks: str, rule: str = "momentum", epochs: int = 2, **options):
    preset = replace(smoke().only(tasks or None), epochs=epochs)
    return make_plan([builtin_graph(rule)], preset, **options).populations


def timeless(results: list[MemberResult] | tuple[MemberResult, ...]) -> list[MemberResult]:
    return [replace(result, seconds=0.0) for result in results]


def outcome(events: list[Event], index: int) -> Event:
    (found,) = (e for e in events if e.index == index and e.kind in ("results", "failed"))
    return found


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_workers_give_the_same_bits_as_training_here(one_thread, monkeypatch):
    monkeypatch.setattr("archer.mad.runner._cores", lambda: 2)  # two workers of one thread
    work = populations("memorization", "in-context-recall", seeds=2)
    events = list(run(work, "cpu", 2))
    here = list(_run_here(work, "cpu"))
    for index, population in enumerate(work):
        alone = timeless(train(population, "cpu"))
        assert [result.status for result in alone] == ["finished", "finished"]
        assert timeless(outcome(events, index).results) == alone
        assert timeless(outcome(here, index).results) == alone


def impossible(population: Population) -> Population:
    """A population that raises as soon as it is trained: a knob out of its bounds."""
    return Population(tuple(replace(t, knobs=(("mu", 7.0),)) for t in population.trials))


@pytest.mark.parametrize(
    ("runner", "order"),
    [
        (lambda work: run(work, "cpu", 1, threads=1), [1, 0]),
        (lambda work: _run_here(work, "cpu"), [0, 1]),
    ],
    ids=["worker", "thread"],
)
def test_events_tell_a_populations_story_in_order(runner, order):
    """A worker begins with the longest. One that raises is reported, and the rest goes on."""
    (short,), (long,) = populations("memorization"), populations("in-context-recall")
    assert short.training_tokens < long.training_tokens
    events = list(runner([short, impossible(long)]))
    assert [event.index for event in events if event.kind == "began"] == order
    assert [event.kind for event in events if event.index == 1] == ["began", "failed"]
    assert outcome(events, 1).reason.startswith("momentum.mu=7 is out of bounds")
    events = [event for event in events if event.index == 0]
    kinds = [event.kind for event in events]
    assert kinds == ["began", "progress", "ended", "progress", "results"]
    assert events[2].ended == ((0, events[-1].results[0]),)
    shown = [event.progress for event in events if event.progress]
    assert [(p.epoch, p.epochs, p.step, p.steps, p.active, p.members) for p in shown] == [
        (1, 2, 2, 4, 1, 1),
        (2, 2, 4, 4, 1, 1),
    ]
    assert [p.seated for p in shown] == [1, 0]
    assert all(p.tokens_per_s > 0 for p in shown)


def test_results_go_through_json_unchanged():
    (result,) = train(populations("in-context-recall")[0], "cpu")
    assert len(result.history) == 2
    assert result_from_json(json.loads(json.dumps(result_to_json(result)))) == result


@pytest.fixture
def started(monkeypatch) -> list[subprocess.Popen[str]]:
    """Every worker process in order of its start."""
    found, start = [], pool._start

    def record(device: str, threads: int) -> subprocess.Popen[str]:
        found.append(start(device, threads))
        return found[-1]

    monkeypatch.setattr(pool, "_start", record)
    return found


def test_a_killed_worker_costs_its_population_and_no_other(started):
    work = list(populations("in-context-recall", "selective-copying", "memorization"))
    work[0] = populations("in-context-recall", epochs=100_000)[0]
    events = []
    for event in run(work, "cpu", 1, threads=1):
        events.append(event)
        if event.kind == "progress" and len(started) == 1:
            started[0].kill()
    kinds = {e.index: e for e in events if e.kind in ("results", "failed")}
    assert len(kinds) == 3
    lost = events[0].index
    assert kinds[lost].kind == "failed"
    assert kinds[lost].reason == "worker process was killed, perhaps for want of memory"
    assert lost == 0
    assert {kinds[index].kind for index in (1, 2)} == {"results"}
    assert len(started) == 2
    assert all(worker.returncode is not None for worker in started)


def test_a_worker_with_nothing_left_to_do_ends(started):
    """On a GPU it would hold memory until the last of the others is done."""
    work = populations("memorization", "in-context-recall")
    events = run(work, "cpu", 2)
    for event in events:
        if event.kind == "results":
            break
    idle = started[event.worker]
    assert idle.wait(20) == 0
    assert [e.kind for e in events if e.index != event.index][-1] == "results"


def test_closing_early_ends_the_workers(started):
    events = run(populations(epochs=10_000), "cpu", 2)
    assert next(events).kind == "began"
    assert [worker.poll() for worker in started] == [None, None]
    events.close()
    assert all(worker.returncode is not None for worker in started)


def test_closing_early_ends_the_thread_too():
    before = set(threading.enumerate())
    events = _run_here(populations("memorization", epochs=100_000), "cpu")
    while next(events).kind != "progress":
        pass
    (thread,) = set(threading.enumerate()) - before
    events.close()
    thread.join(timeout=300)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    "runner",
    [
        lambda work, keep: run(work, "cpu", 1, threads=1, keep=keep),
        lambda work, keep: _run_here(work, "cpu", keep),
    ],
    ids=["worker", "thread"],
)
def test_who_is_closed_early_leaves_checkpoints_of_what_trained(runner, tmp_path):
    (work,) = populations("memorization", epochs=100_000, seeds=2)
    folder = tmp_path / "checkpoints"
    events = runner([work], Keep(checkpoints=str(folder), seconds=3600))
    epochs = 0
    while epochs < 3:
        event = next(events)
        epochs = event.progress.epoch if event.progress else 0
    events.close()
    assert kept(folder) == sorted(trial.id for trial in work.trials)
    for trial in work.trials:
        with safe_open(file_of(folder, trial.id), "pt") as file:
            assert json.loads(file.metadata()["standing"])["epoch"] > 3
    assert len(list(folder.iterdir())) == 2, "nothing half-written"


def test_a_population_is_taken_up_where_its_members_stand(tmp_path):
    """Part of it has ended, part has checkpoints: results of the rest alone, in order."""
    (work,) = populations("memorization", seeds=3)
    whole = train(work, "cpu")
    rest = Population(work.trials, ended=(1,))
    for runner in (
        lambda: run([rest], "cpu", 1, threads=torch.get_num_threads()),
        lambda: _run_here([rest], "cpu"),
    ):
        events = list(runner())
        assert [place for event in events for place, _ in event.ended] == [0, 2]
        assert timeless(outcome(events, 0).results) == timeless([whole[0], whole[2]])


def test_no_more_workers_than_work_or_cores(monkeypatch):
    monkeypatch.setattr("archer.mad.runner._cores", lambda: 4)
    work = populations()
    assert worker_count(work) == 4
    assert worker_count(work[:3]) == 3
    assert worker_count(work, 2) == 2
    assert worker_count(work, 99) == 6
    with pytest.raises(ArcherError, match="--workers 0: at least one is needed"):
        worker_count(work, 0)
