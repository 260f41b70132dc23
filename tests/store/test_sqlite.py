"""A store in an SQLite file: the contract, and files that are not what they should be."""

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, event, inspect, text

from archer.errors import ArcherError
from archer.store import STORE_FILE, Store, open_store, opening
from archer.store.migrations import prepare
from archer.store.schema import VERSION
from archer.store.status import status
from archer.store.testing import CONTRACT, ids_of, results_of, small_plan


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[], Store]:
    return lambda: open_store(tmp_path)


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
def test_contract(check, opened):
    check(opened)


def test_a_folder_a_file_and_a_url_are_one_store(tmp_path):
    file = tmp_path / STORE_FILE
    for address in (tmp_path, str(tmp_path), file, str(file), f"sqlite:///{file}"):
        with open_store(address) as store:
            assert store.where == str(file)
    assert [p.name for p in tmp_path.iterdir()] == [STORE_FILE]
    with sqlite3.connect(file) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def made(path: Path) -> Path:
    """A store with one population's results in it."""
    plan = small_plan()
    with open_store(path) as store, store.begin(plan, "cpu") as run:
        assert run.claim(plan.populations[0])
        run.finish(results_of(plan.populations[0]))
    return path / STORE_FILE


def newer(file: Path) -> None:
    with sqlite3.connect(file) as connection:
        connection.execute(f"UPDATE meta SET value = '{VERSION + 1}' WHERE key = 'schema'")
    connection.close()


def damaged(file: Path) -> None:
    content = bytearray(file.read_bytes())
    page = 4096
    for start in range(page, len(content), page):
        content[start : start + 512] = b"\xa5" * 512
    file.write_bytes(content)


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-10_000])


def somebody_elses(file: Path) -> None:
    file.unlink()
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE meta (name TEXT)")
    connection.close()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (newer, f"written by a newer Archer (store version {VERSION + 1}, this one knows"),
        (damaged, "move it away"),
        (cut_short, "move it away"),
        (lambda file: file.write_text("rule,task\n" * 500), "file is not a database; move it"),
        (somebody_elses, "is a database of something else: name an empty or a new one"),
    ],
    ids=["newer", "damaged", "cut short", "no database", "somebody else's"],
)
def test_a_file_that_is_no_store_is_refused_in_one_line_and_left_as_it_is(tmp_path, spoil, message):
    file = made(tmp_path)
    spoil(file)
    before = file.read_bytes()
    with pytest.raises(ArcherError) as refused:
        open_store(tmp_path)
    assert message in str(refused.value)
    assert str(file) in str(refused.value)
    assert "\n" not in str(refused.value)
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("", "the store's address is empty: name a folder or a file"),
        ("mysql://host/db", "a store cannot be kept in mysql: write sqlite:///FILE or postgresql"),
        ("sqlite://", "a store in SQLite needs a file"),
        ("sqlite:///:memory:", "a store in SQLite needs a file"),
        ("://", "the store's address cannot be read"),
        ("postgresql://127.0.0.1:1/archer", "onnection refused"),
        ("postgresql://user:secret@127.0.0.1:1/archer", "check the address"),
        ("missing/folder/x.db", "unable to open database file"),
    ],
)
def test_an_address_that_leads_nowhere_is_refused_in_one_line(
    tmp_path, monkeypatch, address, message
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArcherError) as refused:
        open_store(address)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "secret" not in str(refused.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("column", "use"),
    [
        ("trials.trial", status),
        ("trials.result", lambda store: store.results(ids_of(*small_plan().populations))),
        ("plans.rows", Store.plans),
        ("runs.environment", Store.runs),
        ("populations.members", Store.populations),
    ],
)
def test_text_that_was_damaged_inside_a_sound_file_costs_one_line(tmp_path, column, use):
    plan = small_plan()
    with open_store(tmp_path) as store, store.begin(plan, "cpu") as run:
        store.keep(plan.populations)
        run.claim(plan.populations[0])
        run.finish(results_of(plan.populations[0]))
    table, _, name = column.partition(".")
    with sqlite3.connect(tmp_path / STORE_FILE) as connection:
        connection.execute(f"UPDATE {table} SET {name} = '{{' WHERE {name} IS NOT NULL")
    connection.close()
    with open_store(tmp_path) as store, pytest.raises(ArcherError, match="is damaged") as told:
        use(store)
    assert "\n" not in str(told.value)


def test_looking_makes_nothing(tmp_path):
    with pytest.raises(ArcherError, match="no store there; `archer bench --out DIR` makes one"):
        open_store(tmp_path, create=False)
    assert list(tmp_path.iterdir()) == []


def test_a_creation_that_was_killed_is_begun_anew(tmp_path):
    (tmp_path / STORE_FILE).touch()
    with open_store(tmp_path) as store:
        assert store.runs() == []


def test_a_full_disk_keeps_what_is_stored(tmp_path):
    plan = small_plan(seeds=40)
    first, second = plan.populations
    with open_store(tmp_path) as store:
        run = store.begin(plan, "cpu")
        assert run.claim(first)
        assert run.claim(second)
        run.finish(results_of(first))
        before = store.results(ids_of(first))
        with store._engine.connect() as connection:  # no page more than there are
            connection.exec_driver_sql("PRAGMA max_page_count=1")
        with pytest.raises(ArcherError, match=r"disk is full; nothing stored is lost; free some"):
            run.finish(results_of(second))
    with open_store(tmp_path) as store:
        assert repr(store.results(ids_of(first, second))) == repr(before)
        run = store.begin(plan, "cpu")
        assert store.states(ids_of(second)[:1]) == {ids_of(second)[0]: ("running", "")}


def test_migrations_run_in_order_and_wholly_or_not_at_all(tmp_path):
    file = made(tmp_path)
    engine = create_engine(f"sqlite:///{file}")

    @event.listens_for(engine, "connect")
    def connect(connection, record):
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def begin(connection):
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    def two(connection: Connection) -> None:
        connection.execute(text("ALTER TABLE trials ADD COLUMN note TEXT"))

    def three(connection: Connection) -> None:
        connection.execute(text("UPDATE trials SET note = 'from version 2'"))

    def broken(connection: Connection) -> None:
        three(connection)
        raise RuntimeError("half way")

    steps = {VERSION: two, VERSION + 1: broken}
    with pytest.raises(RuntimeError, match="half way"), engine.begin() as connection:
        prepare(connection, str(file), steps, VERSION + 2)
    with engine.begin() as connection:
        assert "note" not in {c["name"] for c in inspect(connection).get_columns("trials")}
        steps[VERSION + 1] = three
        prepare(connection, str(file), steps, VERSION + 2)
    with engine.begin() as connection:
        notes = connection.scalars(text("SELECT note FROM trials")).all()
        version = connection.scalar(text("SELECT value FROM meta"))
    engine.dispose()
    assert (set(notes), len(notes)) == ({"from version 2"}, 6)
    assert version == str(VERSION + 2)


def test_every_older_version_has_its_step():
    from archer.store.migrations import STEPS

    assert sorted(STEPS) == list(range(1, VERSION))


@pytest.fixture
def unwritable(monkeypatch) -> Callable[[Path], None]:
    """Lets nobody write to a folder and its files; to root it is said only."""

    def close(folder: Path) -> None:
        for path in (*folder.iterdir(), folder):
            path.chmod(0o555 if path.is_dir() else 0o444)
        if os.geteuid() == 0:
            monkeypatch.setattr(opening, "_writable", lambda path: path.parent != folder)

    return close


def test_what_may_only_be_read_can_be_read(tmp_path, unwritable):
    file = made(tmp_path)
    ids = ids_of(*small_plan().populations)
    with open_store(tmp_path) as store:
        known = repr((store.results(ids), store.states(ids), store.runs()))
    unwritable(tmp_path)
    before = file.read_bytes()
    with open_store(tmp_path, create=False) as store:
        assert repr((store.results(ids), store.states(ids), store.runs())) == known
        assert [asked.trials.done for asked in status(store)] == [3]
        with pytest.raises(ArcherError, match="readonly database; allow writing there, or name"):
            store.begin(small_plan(), "cpu")
        assert [path.name for path in tmp_path.iterdir()] == [STORE_FILE]
    assert file.read_bytes() == before
    tmp_path.chmod(0o755)


def test_what_another_is_writing_can_be_read_by_who_may_only_read(tmp_path, unwritable):
    plan = small_plan()
    first, second = plan.populations
    made(tmp_path)
    with open_store(tmp_path) as writer, writer.begin(plan, "cpu") as run:
        assert run.claim(second)
        run.finish(results_of(second))
        assert (tmp_path / f"{STORE_FILE}-wal").stat().st_size > 0
        unwritable(tmp_path)
        with open_store(tmp_path, create=False) as store:
            assert set(store.results(ids_of(first, second))) == {*ids_of(first, second)}
        tmp_path.chmod(0o755)


def test_who_reads_does_not_wait_for_who_writes(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "BUSY_SECONDS", 0)
    ids = ids_of(*small_plan().populations)
    made(tmp_path)
    with open_store(tmp_path) as writer, open_store(tmp_path) as store, writer.transaction():
        assert len(store.results(ids)) == len(ids) / 2
        assert status(store)
        with pytest.raises(ArcherError, match="locked; another process has held it for long"):
            store.begin(small_plan(), "cpu")
