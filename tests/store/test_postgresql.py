"""A store in PostgreSQL, on a real server: the contract, and benchmarks that share it."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from archer.errors import ArcherError
from archer.store import open_store
from archer.store.testing import CONTRACT

BENCH = (sys.executable, "-c", "from archer.cli import main; main()", "bench", "delta")
SMOKE = ("--preset", "smoke", "--workers", "2", "--device", "cpu")
TASKS = ("--tasks", "memorization", "in-context-recall")


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
def test_contract(check, database):
    check(lambda: open_store(database))


def test_two_benchmarks_at_once_train_every_trial_once(database, tmp_path):
    def start(name: str) -> subprocess.Popen[str]:
        command = [*BENCH, *SMOKE, *TASKS, "--store", database, "--out", name]
        return subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)

    with start("one") as one, start("two") as two:
        errors = [each.communicate(timeout=120)[1] for each in (one, two)]
    assert (one.returncode, two.returncode) == (0, 0), errors
    trained = [sum(line.startswith("[") for line in error.splitlines()) for error in errors]
    with open_store(database) as store:
        assert sum(trained) == len(store.populations()) == 2
        assert [run["alive"] for run in store.runs()] == [False, False]
    one_table, two_table = (pd.read_csv(tmp_path / n / "trials.csv") for n in ("one", "two"))
    pd.testing.assert_frame_equal(one_table, two_table)
    assert not list(Path(tmp_path).rglob("*.db"))


def test_a_database_of_something_else_is_left_alone(database):
    from sqlalchemy import create_engine, inspect, text

    engine = create_engine(database.replace("://", "+psycopg://"))
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE trials (patient TEXT)"))
    with pytest.raises(ArcherError, match="is a database of something else"):
        open_store(database)
    with engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["trials"]
    engine.dispose()


def test_a_database_that_is_not_there_is_said_in_one_line(server):
    with pytest.raises(ArcherError, match='database "missing" does not exist; check') as refused:
        open_store(f"{server}/missing")
    assert "\n" not in str(refused.value)
