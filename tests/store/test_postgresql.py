"""A store in PostgreSQL, on a real server: the contract, and benchmarks that share it."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from archer.errors import ArcherError
from archer.store import open_store
from archer.store.testing import CONTRACT

# Two benchmarks at once, in children of one process: importing takes longer than training.
TWO = """
import os, sys
import archer.benchmark, archer.mad.runner, archer.report.progress
from archer.cli import main
sys.path.append(sys.argv[2])
from here import Here
archer.mad.runner.Pool = Here
children = []
for name in ("one", "two"):
    children.append(os.fork())
    if children[-1] == 0:
        os.dup2(os.open(f"{name}.err", os.O_CREAT | os.O_WRONLY), 2)
        words = "bench delta --preset smoke --tasks memorization in-context-recall".split()
        main([*words, *"--device cpu --out".split(), name, "--store", sys.argv[1]])
print(*(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
def test_contract(check, database):
    check(lambda: open_store(database))


def test_two_benchmarks_at_once_train_every_trial_once(database, tmp_path):
    command = [sys.executable, "-c", TWO, database, str(Path(__file__).parents[1])]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    errors = [(tmp_path / f"{name}.err").read_text() for name in ("one", "two")]
    assert ran.stdout.splitlines()[-1] == "0 0", errors
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
