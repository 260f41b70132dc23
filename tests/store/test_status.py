"""`archer status`: what it shows of a store, and what it refuses."""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from archer.cli import main
from archer.mad.plan import make_plan
from archer.mad.presets import smoke
from archer.mad.settings import COLUMNS
from archer.rules.load import builtin_graph
from archer.store import STORE_FILE, environment, open_store
from archer.store.owner import this_process
from archer.store.testing import ids_of, results_of, small_plan
from archer.train.results import EpochMetrics, MemberResult, SplitMetrics

MOMENT = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"


@pytest.fixture
def status(capfd: pytest.CaptureFixture[str]) -> Callable[[Path | str], tuple[int, str, str]]:
    def run(folder: Path | str) -> tuple[int, str, str]:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(["status", str(folder)])
        return (int(ended.value.code or 0), *capfd.readouterr())

    return run


def test_status_tells_done_running_and_failed_with_reasons(tmp_path, status):
    plan = small_plan()
    first, second = plan.populations
    done, failing = (population.trials[0].setting.task for population in (first, second))
    with open_store(tmp_path) as store, store.begin(plan, "cpu") as run:
        assert run.claim(first)
        run.finish(results_of(first))
        assert run.claim(second)
        run.fail(ids_of(second)[:1], "no memory: " + 99 * "process 1 has some, ")
        code, at_work, _ = status(tmp_path)
    assert code == 0
    assert "preset smoke, protocol strict: 3 of 6 trials done, 2 running, 1 failed, 0 waiting" in (
        at_work
    )
    rows = [line.split() for line in at_work.splitlines()]
    assert ["rule", "task", "done", "of", "diverged", "running", "failed", "waiting", "best"] in (
        rows
    )
    assert ["delta", done, "3", "3", "0", "0", "0", "0", "0.333"] in rows
    assert ["delta", failing, "0", "3", "0", "2", "1", "0"] in rows
    (why,) = (line for line in at_work.splitlines() if " 1 failed: " in line)
    assert why.startswith(f"delta on {failing}: 1 failed: no memory: process 1")
    assert why.endswith(" ...")
    assert len(why) < 300
    column = COLUMNS[done]
    assert f"best accuracy so far, on validation data: {column} 0.333\n" in at_work
    assert f" on {socket.gethostname()}, archer " in at_work
    assert re.search(rf", at work, last sign of life {MOMENT}$", at_work.rstrip())
    held = "running: held by a command at work; on a CPU also what waits there for a worker"
    assert held in at_work.splitlines()
    code, ended, _ = status(tmp_path)
    assert "3 of 6 trials done, 0 running, 1 failed, 2 waiting" in ended
    assert held not in ended
    assert re.search(rf", ended {MOMENT}$", ended.rstrip())


def test_a_dead_run_tells_when_it_was_last_seen(tmp_path, status):
    owner = replace(this_process(), born="before this process")
    with open_store(tmp_path) as store:
        store.begin(small_plan(), "cpu", owner=owner)
        began = store.runs()[0]["started"]
    seen = datetime.fromtimestamp(began, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    assert status(tmp_path)[1].rstrip().endswith(f", was killed, last sign of life {seen}")


def test_the_best_is_of_the_split_that_selects(tmp_path, status):
    plan = make_plan([builtin_graph("delta")], smoke().only(["memorization"]), seeds=3)
    scores = {0: 0.25, 1: 0.75, 2: 0.5}
    (population,) = plan.populations
    results = {}
    for trial in population.trials:
        validation = SplitMetrics(scores[trial.seed], 0.0, 1.0, 2.0)
        epoch = EpochMetrics(1, 1.0, validation, replace(validation, accuracy=0.99))
        worse = replace(epoch, epoch=2, validation=replace(validation, accuracy=0.9))
        results[trial.id] = MemberResult(history=[epoch, worse], best_epoch=1)
    lost = population.trials[1].id
    results[lost] = MemberResult(status="diverged")  # had the highest, and has no checkpoint
    with open_store(tmp_path) as store, store.begin(plan, "cpu") as run:
        assert run.claim(population)
        run.finish(results)
    shown = status(tmp_path)[1]
    assert "best accuracy so far, on validation data: Memorize 0.500\n" in shown
    assert ["delta", "memorization", "3", "3", "1", "0", "0", "0", "0.500"] in [
        line.split() for line in shown.splitlines()
    ]


def test_status_of_a_postgresql_server(database, status):
    plan = small_plan()
    first = plan.populations[0]
    with open_store(database) as store, store.begin(plan, "cpu") as run:
        assert run.claim(first)
        run.finish(results_of(first))
    code, shown, error = status(database)
    assert (code, error) == (0, "")
    assert f"on validation data: {COLUMNS[first.trials[0].setting.task]} 0.333\n" in shown


def test_status_keeps_presets_and_protocols_apart(tmp_path, status):
    rules = [builtin_graph(name) for name in ("delta", "momentum")]
    preset = smoke().only(["memorization"])
    with open_store(tmp_path) as store:
        store.begin(small_plan(), "cpu").close()
        store.begin(make_plan(rules, preset, protocol="mad-lab"), "cpu").close()
        store.begin(make_plan(rules, preset, protocol="mad-lab", seeds=2), "cpu").close()
    shown = status(tmp_path)[1]
    assert "preset smoke, protocol strict: 0 of 6 trials done, 0 running, 0 failed, 6" in shown
    assert "preset smoke, protocol mad-lab: 0 of 2 trials done" in shown
    rows = [line.split() for line in shown.splitlines()]
    for rule in ("delta", "momentum"):  # one training is both
        assert [rule, "memorization", "0", "2", "0", "0", "0", "2"] in rows


def test_status_of_a_folder_without_a_store_is_refused(tmp_path, status):
    code, out, error = status(tmp_path)
    assert (code, out) == (2, "")
    assert error.startswith(f"error: {tmp_path / STORE_FILE}: no store there")
    assert list(tmp_path.iterdir()) == []


def test_a_run_says_what_it_ran_on(tmp_path):
    import torch

    found = environment.environment("cpu")
    assert found["versions"]["torch"] == torch.__version__
    assert found["card"] is None
    assert found["command"]
    with open_store(tmp_path) as store:
        store.begin(small_plan(), "cpu").close()
        (run,) = store.runs()
    assert run["environment"] == found
    assert run["started"] <= run["ended"] < run["until"]


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
@pytest.mark.parametrize("kept", ["loose", "packed", "work tree", "detached"])
def test_the_commit_is_that_of_the_checkout(tmp_path, monkeypatch, kept):
    def git(*args: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        options = {"check": True, "capture_output": True, "text": True, "env": own}
        ran = subprocess.run(["git", *who, *args], cwd=tmp_path / "repo", **options)
        return ran.stdout.strip()

    # no repository and no configuration but its own, also where git itself runs the tests
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    own |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    (tmp_path / "repo" / "archer").mkdir(parents=True)
    git("init", "--quiet")
    git("commit", "--quiet", "--allow-empty", "-m", "x")
    checkout = tmp_path / "repo"
    if kept == "packed":
        git("pack-refs", "--all")
    elif kept == "detached":
        git("checkout", "--quiet", "--detach")
    elif kept == "work tree":
        checkout = tmp_path / "beside"
        git("worktree", "add", "--quiet", str(checkout))
    monkeypatch.setattr(environment, "PACKAGE", checkout / "archer")
    assert environment.commit() == git("rev-parse", "HEAD")
    monkeypatch.setattr(environment, "PACKAGE", tmp_path / "site-packages" / "archer")
    assert environment.commit() is None


def test_the_hash_of_the_code_sees_every_change(tmp_path, monkeypatch):
    monkeypatch.setattr(environment, "PACKAGE", tmp_path)
    (tmp_path / "a.py").write_text("x = 1\n")
    first = environment.code()
    (tmp_path / "a.py").write_text("x = 2\n")
    second = environment.code()
    (tmp_path / "a.py").rename(tmp_path / "b.py")
    assert len({first, second, environment.code()}) == 3


def test_the_best_is_of_the_epoch_that_the_protocol_reads_whichever_trained(tmp_path, status):
    rules, preset = [builtin_graph("delta")], smoke().only(["memorization"])
    strict, other = (make_plan(rules, preset, protocol=name) for name in ("strict", "mad-lab"))
    (population,) = strict.populations
    first = EpochMetrics(1, 1.0, SplitMetrics(0.5, 0, 1.0, 2.0), SplitMetrics(0.25, 0, 1.0, 9.0))
    second = EpochMetrics(2, 1.0, SplitMetrics(0.4, 0, 1.0, 3.0), SplitMetrics(0.75, 0, 1.0, 8.0))
    with open_store(tmp_path) as store:
        with store.begin(strict, "cpu") as run:
            assert run.claim(population)
            ended = MemberResult(history=[first, second], best_epoch=1)
            run.finish({population.trials[0].id: ended})
        store.begin(other, "cpu").close()
    shown = status(tmp_path)[1]
    assert "best accuracy so far, on validation data: Memorize 0.500\n" in shown
    assert "best accuracy so far, on test data: Memorize 0.750\n" in shown


URL = "postgresql://me:s3:cr/et@host:5432/db"


@pytest.mark.parametrize(
    ("argument", "kept"),
    [
        (URL, "postgresql://me:***@host:5432/db"),
        (f"--store={URL}", "--store=postgresql://me:***@host:5432/db"),
        (
            "postgresql://host/db?user=me&password=s3cret&a=b",
            "postgresql://host/db?user=me&password=***&a=b",
        ),
        ("postgresql://me@host:5432/db", "postgresql://me@host:5432/db"),
        ("sqlite:////a:b/c@d.db", "sqlite:////a:b/c@d.db"),
        ("momentum.mu=0.8", "momentum.mu=0.8"),
    ],
)
def test_passwords_of_urls_are_not_recorded(monkeypatch, argument, kept):
    monkeypatch.setattr(environment.sys, "argv", ["archer", "bench", argument])
    assert environment.environment("cpu")["command"] == ["archer", "bench", kept]
