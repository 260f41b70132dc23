"""A PostgreSQL server of our own, on a loopback port."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError


def binaries() -> Path | None:
    """Folder of `initdb` and `postgres`: on the path, or where Debian keeps them."""
    found = shutil.which("initdb")
    if found and shutil.which("postgres"):
        return Path(found).parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return installed[-1].parent if installed else None


def user() -> dict[str, str]:
    """PostgreSQL refuses to run as root."""
    return {"user": "postgres"} if os.getuid() == 0 else {}


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """URL of a running server, without a database's name."""
    programs = binaries()
    if programs is None:
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="archer-postgresql-") as folder:
        if user():
            shutil.chown(folder, **user())
        data = f"{folder}/data"
        initdb = [programs / "initdb", "-D", data, "-U", "archer", "-A", "trust", "--no-sync"]
        subprocess.run(initdb, check=True, capture_output=True, cwd=folder, **user())
        options = ["-h", "127.0.0.1", "-p", str(port), "-k", folder, "-F"]
        command = [programs / "postgres", "-D", data, *options]
        with (
            open(f"{folder}/log", "wb") as log,
            subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **user()) as process,
        ):
            url = f"postgresql://archer@127.0.0.1:{port}"
            try:
                wait_for(url, process)
                yield url
            finally:
                process.send_signal(signal.SIGQUIT)  # at once: nothing there is to be kept


def execute(url: str, command: str) -> None:
    engine = create_engine(url.replace("://", "+psycopg://"), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(command))
    finally:
        engine.dispose()


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            return execute(f"{url}/postgres", "SELECT 1")
        except OperationalError:
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.1)


@pytest.fixture
def database(server: str, request: pytest.FixtureRequest) -> str:
    """URL of an empty database of its own."""
    name = f"db{abs(hash(request.node.nodeid)):x}"
    execute(f"{server}/postgres", f"CREATE DATABASE {name}")
    return f"{server}/{name}"
