"""Opens a store by folder, file or URL; whatever is wrong with it, it is left untouched."""

import os
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import QueuePool

from archer.errors import ArcherError
from archer.store.environment import masked
from archer.store.errors import told
from archer.store.migrations import prepare, version_of
from archer.store.store import ONLY_READS, Store

STORE_FILE = "archer.db"
LOCK = 0x61726368  # of PostgreSQL's advisory locks: one process at a time makes the tables
BUSY_SECONDS = 60  # how long one waits for another's transaction


def open_store(address: str | Path, *, create: bool = True) -> Store:
    """The store at a folder (its archer.db), a database file or a URL; made if it is not there.

    URLs: sqlite:///FILE and postgresql://USER@HOST/DATABASE. Without create, a file that may only
    be read will do, to read it. Raises ArcherError in one line for a database that cannot be
    reached or read, is not a store, or is newer than this Archer.
    """
    url = _url(address)
    where, folder = masked(url.render_as_string(hide_password=True)), None
    if url.get_backend_name() == "sqlite":
        path = Path(url.database or "")
        where, folder = str(path), path.parent
        only_read = not create and not _writable(path)
        if path.exists():
            # before WAL mode, the first write to a file, is asked for
            _look(path, where, only_read)
        elif not create:
            raise ArcherError(f"{path}: no store there; `archer bench --out DIR` makes one")
        engine = _reading(path, only_read) if only_read else _sqlite(url)
    else:
        engine = _postgresql(url)
    try:
        with told(where), engine.begin() as connection:
            lock(connection)
            if not create and version_of(connection, where) is None:
                raise ArcherError(
                    f"{where}: no store there; archer bench, sweep or research make one"
                )
            prepare(connection, where)
    except BaseException:
        engine.dispose()
        raise
    return Store(engine, where, folder)


def _url(address: str | Path) -> URL:
    """Raises ArcherError for what is no address of a store."""
    if address == "":  # of a variable that is not set; it would mean the folder one is in
        raise ArcherError(f"the store's address is empty: name a folder or a file, or {HOW}")
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


def _writable(path: Path) -> bool:
    """Whether a file may be written; SQLite makes two more beside it."""
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def _look(path: Path, where: str, only_read: bool) -> None:
    """Read an existing file from end to end, without writing. Raises ArcherError."""
    if path.is_dir():
        raise ArcherError(f"{path} is a folder: a store is a file")
    engine = _reading(path, only_read)
    try:
        with told(where), engine.connect() as connection:
            verdict = str(connection.scalar(text("PRAGMA quick_check(1)")))
            if verdict != "ok":
                why = verdict.splitlines()[-1]
                raise ArcherError(f"{where} is damaged ({why}): move it away to begin anew")
            version_of(connection, where)
    finally:
        engine.dispose()


def _reading(path: Path, only_read: bool) -> Engine:
    """Never writes to the file. only_read: nor may it make those beside it."""
    # plain sqlite3 opens read-only by a URI, which an engine would need to be told twice
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    if only_read and not path.with_name(f"{path.name}-wal").exists():
        uri += "&immutable=1"  # nobody is writing, and the file is all there is

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(
            uri, BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True
        )

    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool)

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


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
        reads = connection.get_execution_options().get(ONLY_READS)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

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


def lock(connection: Connection) -> None:
    """One process at a time makes tables, until its transaction ends; SQLite sees to it itself."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
