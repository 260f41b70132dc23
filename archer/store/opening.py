"""Opens a store by folder, file or URL; whatever is wrong with it, it is left untouched."""

import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from archer.errors import ArcherError
from archer.store.errors import told
from archer.store.migrations import prepare, version_of
from archer.store.store import Store

STORE_FILE = "archer.db"
LOCK = 0x61726368  # of PostgreSQL's advisory locks: one process at a time makes the tables
BUSY_SECONDS = 60  # how long one waits for another's transaction


def open_store(address: str | Path, *, create: bool = True) -> Store:
    """The store at a folder (its archer.db), a database file or a URL; made if it is not there.

    URLs: sqlite:///FILE and postgresql://USER@HOST/DATABASE. Raises ArcherError in one line for
    a database that cannot be reached or read, is not a store, or is newer than this Archer.
    """
    url = _url(address)
    where, folder = url.render_as_string(hide_password=True), None
    if url.get_backend_name() == "sqlite":
        path = Path(url.database or "")
        where, folder = str(path), path.parent
        if path.exists():
            _look(path, where)  # before WAL mode, the first write to a file, is asked for
        elif not create:
            raise ArcherError(f"{path}: no store there; `archer bench --out DIR` makes one")
        engine = _sqlite(url)
    else:
        engine = _postgresql(url)
    try:
        with told(where), engine.begin() as connection:
            _lock(connection)
            if not create and version_of(connection, where) is None:
                raise ArcherError(f"{where}: no store there; `archer bench --store` makes one")
            prepare(connection, where)
    except BaseException:
        engine.dispose()
        raise
    return Store(engine, where, folder)


def _url(address: str | Path) -> URL:
    """Raises ArcherError for what is no address of a store."""
    if isinstance(address, Path) or "://" not in address:
        path = Path(address)
        path = path if path.suffix == ".db" and not path.is_dir() else path / STORE_FILE
        return URL.create("sqlite", database=str(path))
    try:
        url = make_url(address)
        backend = url.get_backend_name()
    except (ArgumentError, ValueError) as error:
        raise ArcherError(f"the store's address cannot be read: {HOW}") from error
    if backend not in ("sqlite", "postgresql"):
        raise ArcherError(f"a store cannot be kept in {backend}: {HOW}")
    if backend == "sqlite" and (not url.database or ":memory:" in url.database or url.query):
        raise ArcherError(f"a store in SQLite needs a file: {HOW}")
    return url


HOW = "write sqlite:///FILE or postgresql://USER@HOST/DATABASE"


def _look(path: Path, where: str) -> None:
    """Read an existing file from end to end, without writing. Raises ArcherError."""
    if path.is_dir():
        raise ArcherError(f"{path} is a folder: a store is a file")
    # plain sqlite3 opens read-only by a URI, which an engine would need to be told twice
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    engine = create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)
    )
    try:
        with told(where), engine.connect() as connection:
            verdict = str(connection.scalar(text("PRAGMA quick_check(1)")))
            if verdict != "ok":
                why = verdict.splitlines()[-1]
                raise ArcherError(f"{where} is damaged ({why}): move it away to begin anew")
            version_of(connection, where)
    finally:
        engine.dispose()


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"timeout": BUSY_SECONDS})

    @event.listens_for(engine, "connect")
    def connect(connection: Any, record: object) -> None:
        connection.isolation_level = None  # transactions begin where `begin` says so
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # the write lock at once: a claim that reads and then writes cannot be overtaken
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _postgresql(url: URL) -> Engine:
    if url.get_driver_name() != "psycopg":
        url = url.set(drivername="postgresql+psycopg")
    try:
        return create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": 10})
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise ArcherError(
            "PostgreSQL needs the package psycopg: pip install 'archer[postgres]'"
        ) from error


def _lock(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
