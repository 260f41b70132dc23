"""Rows that somebody changed by hand: one line that names the row, and the file as it was."""

import re
import sqlite3
from pathlib import Path

import pytest

from archer.cli import _run
from archer.store import STORE_FILE, open_store
from archer.store.testing import ids_of, results_of, small_plan


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A store with one population's results, and another that waits."""
    plan = small_plan()
    with open_store(tmp_path) as store, store.begin(plan, "cpu") as run:
        store.keep(plan.populations)
        assert run.claim(plan.populations[0])
        run.finish(results_of(plan.populations[0]))
    return tmp_path


def change(folder: Path, statement: str) -> bytes:
    """The file after it."""
    file = folder / STORE_FILE
    with sqlite3.connect(file) as connection:
        connection.execute(statement)
    connection.close()
    return file.read_bytes()


ENDED = "WHERE status = 'finished'"
CHANGES = {
    "result not JSON": f"UPDATE trials SET result = 'good' {ENDED}",
    "result lost": f"UPDATE trials SET result = NULL {ENDED}",
    "result of a list": f"UPDATE trials SET result = '[1]' {ENDED}",
    "result lacks its steps": f"UPDATE trials SET result = json_remove(result, '$.steps') {ENDED}",
    "best epoch beyond": f"UPDATE trials SET result = json_set(result, '$.best_epoch', 9) {ENDED}",
    "seconds a word": f"UPDATE trials SET result = json_set(result, '$.seconds', 'x') {ENDED}",
    "curve lost": "DELETE FROM curves WHERE epoch = 1",
    "curve of words": "UPDATE curves SET test_accuracy = 'high'",
    "unknown status": "UPDATE trials SET status = 'done'",
    "trial lost": f"DELETE FROM trials {ENDED}",
    "trial lacks its regime": "UPDATE trials SET trial = json_remove(trial, '$.regime')",
    "trial lacks its lr": "UPDATE trials SET trial = json_remove(trial, '$.lr')",
    "trial of another shape": "UPDATE trials SET trial = '7'",
    "setting of another kind": "UPDATE trials SET trial = json_set(trial, '$.setting', 1)",
    "plan of another shape": "UPDATE plans SET rows = '[[1]]'",
    "plan no list": "UPDATE plans SET rows = '5'",
    "plan of nothing": "UPDATE plans SET rows = '[]'",
    "plan lost": "DELETE FROM plans",
    "learned a word": f"UPDATE trials SET result = json_set(result, '$.learned', 'w') {ENDED}",
    "learn of a word": "UPDATE trials SET trial = json_set(trial, '$.learn', 'w')",
    "card a word": "UPDATE runs SET environment = json_set(environment, '$.card', 'w')",
    "environment lacks its versions":
        "UPDATE runs SET environment = json_remove(environment, '$.versions')",
    "lease a word": "UPDATE runs SET until = 'monday', ended = NULL",
    "start a word": "UPDATE runs SET started = 'monday'",
}  # fmt: skip


@pytest.mark.parametrize("statement", CHANGES.values(), ids=CHANGES)
def test_one_line_names_the_row_and_the_file_stays(folder, statement, capsys):
    changed = change(folder, statement)
    assert _run(["status", str(folder)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.match(
        rf"error: {re.escape(str(folder))}\S+ is damaged \((trial|curve|plan|run) ", line
    )
    assert (folder / STORE_FILE).read_bytes() == changed


def test_populations_are_read_with_the_same_care(folder):
    change(folder, "UPDATE populations SET members = '{}'")
    with (
        open_store(folder) as store,
        pytest.raises(Exception, match=r"population 1: it is no list"),
    ):
        store.populations()


def test_a_run_that_was_deleted_holds_nothing(folder):
    second = small_plan().populations[1]
    with open_store(folder) as store:
        gone = store.begin(small_plan(), "cpu")
        assert gone.claim(second)
        change(folder, f"DELETE FROM runs WHERE id = {gone.id}")
        with store.begin(small_plan(), "cpu") as run:
            assert run.claim(second)


def test_sound_rows_are_read(folder, capsys):
    assert _run(["status", str(folder)]) == 0
    with open_store(folder) as store:
        assert len(store.results(ids_of(*small_plan().populations))) == 3
