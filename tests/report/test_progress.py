"""What is shown while a benchmark runs."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from archer.mad.plan import make_plan
from archer.mad.presets import smoke
from archer.mad.runner import Event
from archer.report import progress
from archer.report.tally import Tally, rate
from archer.rules.load import builtin_graph
from archer.train.results import EpochMetrics, MemberResult, Progress, SplitMetrics

RECALL = "delta in-context-recall/seq_len=32"
MEMORIZE = "delta memorization/vocab_size=16,seq_len=8"


@pytest.fixture
def plan():
    tasks = ["in-context-recall", "memorization"]
    return make_plan([builtin_graph("delta")], smoke().only(tasks))


def reached(validation, test=0.99):
    split = SplitMetrics(validation, 0.5, 1.0, 2.0)
    epoch = EpochMetrics(1, 1.0, split, replace(split, accuracy=test))
    return MemberResult(seconds=1.26, steps=4, history=[epoch], best_epoch=1)


def events():
    done = reached(0.75)
    yield Event(0, 0, "began")
    yield Event(1, 1, "began")
    yield Event(0, 0, "progress", Progress(1, 2, 2, 4, 1, 1, 0.1, 2_500_000.0, 1))
    yield Event(1, 1, "failed", reason="ValueError: [bad]")
    yield Event(0, 0, "ended", ended=((0, done),))
    yield Event(0, 0, "results", results=(done,))


def test_a_log_gets_one_line_per_population(plan, capsys):
    with progress.watch(plan) as show:
        for event in events():
            show(event)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        f"[1/2] {MEMORIZE}: failed: ValueError: [bad]",
        f"[2/2] {RECALL}: validation accuracy up to 0.750, 1.3 s",
    ]


def test_a_terminal_that_cannot_move_its_cursor_gets_lines_too(plan, capsys, monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("FORCE_COLOR", "1")  # taken for a terminal, as one would be
    with progress.watch(plan) as show:
        for event in events():
            show(event)
    assert "[2/2]" in capsys.readouterr().err


def test_a_diverged_population_says_so(plan, capsys):
    with progress.watch(plan) as show:
        show(Event(0, 0, "results", results=(MemberResult(status="diverged", seconds=0.2),)))
    assert "in-context-recall/seq_len=32: diverged, 0.2 s" in capsys.readouterr().err


def test_nothing_is_shown_when_not_wanted(plan, capsys):
    with progress.watch(plan, enabled=False) as show:
        for event in events():
            show(event)
    assert capsys.readouterr() == ("", "")


def test_a_log_gets_the_state_of_everything_once_a_minute(plan):
    seconds = iter([0.0, 59.0, 60.0, 60.0, 60.0, 61.0, 125.0, 125.0, 125.0])
    console = Console(file=io.StringIO(), width=200)
    lines = progress._Lines(plan, console, clock=lambda: next(seconds))
    at = Event(0, 0, "progress", Progress(1, 2, 1, 4, 1, 1, 0.1, 640_000.0, 1))
    lines.show(at)  # at 59 s: too early
    lines.show(at)  # at 60 s
    lines.show(at)  # at 61 s: too early
    lines.show(Event(0, 0, "ended", ended=((0, reached(0.75)),)))  # at 125 s
    tally = lines.tally
    left = 60.0 * (1 / tally.share - 1)
    assert console.file.getvalue().splitlines() == [
        f"0 of 2 trials done, 1 running, 0 failed; 640 k tokens/s; {progress.duration(left)} left",
        "1 of 2 trials done, 1 running, 0 failed; 640 k tokens/s; "
        f"{progress.duration(125 * left / 60)} left; "
        "best validation accuracy so far: Context Recall 0.750",
    ]


def test_bars_measure_tokens_and_name_what_runs(plan):
    console = Console(file=io.StringIO(), force_terminal=True, width=160)
    with progress._Board(console) as board:
        shown = progress._Bars(plan, board)
        rows, below = [], []
        for event in events():
            shown.show(event)
            below.append(board.below)
            rows.append(
                [(t.description, t.completed / t.total, t.fields["note"]) for t in board.tasks]
            )
    recall, memorize = (population.training_tokens for population in plan.populations)
    whole = recall + memorize
    assert rows[1] == [
        ("all trials", 0.0, "0/2"),
        (RECALL, 0.0, "starting"),
        (MEMORIZE, 0.0, "starting"),
    ]
    assert rows[2][0] == ("all trials", recall / 2 / whole, "0/2")
    assert rows[2][1][1:] == (0.5, "epoch 1/2, 1/1 members")
    assert rows[3][0] == ("all trials", (recall / 2 + memorize) / whole, "0/2")
    assert rows[3][2][2] == "failed"
    assert rows[4][0][2] == "1/2"
    assert rows[5][0] == ("all trials", 1.0, "1/2")
    assert below == [
        "0 of 2 trials done, 0 running, 0 failed",
        "0 of 2 trials done, 0 running, 0 failed",
        "0 of 2 trials done, 1 running, 0 failed, 2.5 M tokens/s",
        "0 of 2 trials done, 1 running, 1 failed, 2.5 M tokens/s",
        "1 of 2 trials done, 1 running, 1 failed, 2.5 M tokens/s\n"
        "best validation accuracy so far: Context Recall 0.750",
        "1 of 2 trials done, 0 running, 1 failed\n"
        "best validation accuracy so far: Context Recall 0.750",
    ]
    assert "left" in console.file.getvalue()
    assert "best validation accuracy so far: Context Recall 0.750" in console.file.getvalue()


def test_members_that_wait_for_a_seat_are_told_from_those_that_train():
    at = Progress(3, 200, 2, 4, 24, 30, 0.1, 0.0, 16)
    assert progress.members(at) == "24/30 members (16 now)"
    assert progress.members(replace(at, seated=24)) == "24/30 members"


def test_what_was_found_counts_as_done_and_a_failure_keeps_what_ended():
    plan = make_plan([builtin_graph("delta")], smoke().only(["memorization"]), seeds=5)
    (whole,) = plan.populations
    population = replace(whole, trials=whole.trials[1:], ended=(0,))
    tally = Tally(replace(plan, populations=(population,)))
    assert tally.counts() == "2 of 5 trials done, 0 running, 0 failed"
    tally.add(Event(0, 0, "progress", Progress(1, 2, 1, 2, 3, 3, 0.1, 10.0, 2)))
    tally.add(Event(0, 0, "ended", ended=((2, reached(0.25)),)))
    assert tally.counts() == "3 of 5 trials done, 2 running, 0 failed"
    tally.add(Event(0, 0, "failed", reason="no memory"))
    assert tally.counts() == "3 of 5 trials done, 0 running, 2 failed"
    assert tally.share == 1.0


def test_the_best_is_of_the_split_that_selects_and_a_mean_over_settings():
    settings = smoke().only(["memorization"]).settings
    harder = replace(settings[0], vocab_size=32)
    preset = replace(smoke(), settings=(*settings, harder))
    for protocol, expected in (("strict", 0.5), ("mad-lab", 0.9)):
        plan = make_plan([builtin_graph("delta")], preset, seeds=2, protocol=protocol)
        tally = Tally(plan)
        scores = {settings[0].name: (0.5, 0.75), harder.name: (0.25, float("nan"))}
        for index, population in enumerate(plan.populations):
            results = [reached(scores[t.setting.name][t.seed], 0.9) for t in population.trials]
            tally.add(Event(index, 0, "ended", ended=tuple(enumerate(results))))
        assert tally.leaders().endswith(f"so far: Memorize {expected:.3f}")


def test_speeds_are_short():
    assert [rate(x) for x in (0.0, 640_400.0, 18_840_000.0)] == [
        "",
        "640 k tokens/s",
        "18.8 M tokens/s",
    ]
