"""What is shown while a benchmark runs."""

import io

import pytest
from rich.console import Console

from archer.mad.plan import make_plan
from archer.mad.presets import smoke
from archer.mad.runner import Event
from archer.report import progress
from archer.rules.load import builtin_graph
from archer.train.results import EpochMetrics, MemberResult, Progress, SplitMetrics


@pytest.fixture
def plan():
    tasks = ["in-context-recall", "memorization"]
    return make_plan([builtin_graph("delta")], smoke().only(tasks))


def events():
    split = SplitMetrics(0.75, 0.5, 1.0, 2.0)
    done = MemberResult(
        seconds=1.26, steps=4, history=[EpochMetrics(1, 1.0, split, split)], best_epoch=1
    )
    yield Event(0, 0, "began")
    yield Event(1, 1, "began")
    yield Event(0, 0, "progress", Progress(1, 2, 2, 4, 1, 1, 0.1))
    yield Event(1, 1, "failed", reason="ValueError: [bad]")
    yield Event(0, 0, "results", results=(done,))


def test_a_log_gets_one_line_per_population(plan, capsys):
    with progress.watch(plan) as show:
        for event in events():
            show(event)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "[1/2] delta memorization/vocab_size=16,seq_len=8: failed: ValueError: [bad]",
        "[2/2] delta in-context-recall/seq_len=32: accuracy up to 0.750, 1.3 s",
    ]


def test_a_diverged_population_says_so(plan, capsys):
    with progress.watch(plan) as show:
        show(Event(0, 0, "results", results=(MemberResult(status="diverged", seconds=0.2),)))
    assert "in-context-recall/seq_len=32: diverged, 0.2 s" in capsys.readouterr().err


def test_nothing_is_shown_when_not_wanted(plan, capsys):
    with progress.watch(plan, enabled=False) as show:
        for event in events():
            show(event)
    assert capsys.readouterr() == ("", "")


def test_bars_measure_tokens_and_name_what_runs(plan):
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    with progress._bars(console) as bars:
        shown = progress._Bars(plan, bars)
        rows = []
        for event in events():
            shown.show(event)
            rows.append(
                [(t.description, t.completed / t.total, t.fields["note"]) for t in bars.tasks]
            )
    recall, memorize = (population.training_tokens for population in plan.populations)
    whole = recall + memorize
    assert rows[1] == [
        ("all populations", 0.0, "0/2"),
        ("delta in-context-recall/seq_len=32", 0.0, "starting"),
        ("delta memorization/vocab_size=16,seq_len=8", 0.0, "starting"),
    ]
    assert rows[2][0] == ("all populations", recall / 2 / whole, "0/2")
    assert rows[2][1][1:] == (0.5, "epoch 1/2, 1/1 members")
    assert rows[3][0] == ("all populations", (recall / 2 + memorize) / whole, "1/2, 1 failed")
    assert rows[4][0] == ("all populations", 1.0, "2/2, 1 failed")
    assert "left" in console.file.getvalue()
