"""A PostgreSQL server of our own, on a loopback port."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

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


def where() -> str | None:
    """A folder that its user can reach, who is not ours; else where temporary files lie."""
    return "/tmp" if user() else None


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """URL of a running server, without a database's name."""
    programs = binaries()
    if programs is None:
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    with tempfile.TemporaryDirectory(prefix="archer-postgresql-", dir=where()) as folder:
        if user():
            shutil.chown(folder, **user())
        data = f"{folder}/data"
        initdb = [programs / "initdb", "-D", data, "-U", "archer", "-A", "trust", "--no-sync"]
        subprocess.run(initdb, check=True, capture_output=True, cwd=folder, **user())
        with open(f"{folder}/log", "wb") as log:
            process, url = start([programs / "postgres", "-D", data, "-F"], log)
            try:
                yield url
            finally:
                process.send_signal(signal.SIGQUIT)  # at once: nothing there is to be kept
                process.wait()


def start(command: list[str | Path], log: IO[bytes]) -> tuple[subprocess.Popen[bytes], str]:
    """The server and its URL, on a port that nobody took between our look and its own."""
    for _ in range(5):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        # no socket file: its path may be too long
        options = ["-c", "unix_socket_directories=", "-h", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen([*command, *options], stdout=log, stderr=log, cwd="/", **user())
        url = f"postgresql://archer@127.0.0.1:{port}"
        try:
            if wait_for(url, process):
                return process, url
        except BaseException:
            process.kill()
            process.wait()
            raise
    pytest.fail(f"the server ends as soon as it is started: {Path(log.name).read_text()}")


def execute(url: str, command: str) -> None:
    engine = create_engine(url.replace("://", "+psycopg://"), isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            connection.execute(text(command))
    finally:
        engine.dispose()


def wait_for(url: str, process: subprocess.Popen[bytes]) -> bool:
    """Whether it answers, or has ended."""
    deadline = time.monotonic() + 300
    while process.poll() is None:
        with suppress(OperationalError):
            execute(f"{url}/postgres", "SELECT 1")
            return process.poll() is None
        assert time.monotonic() < deadline, "the server does not answer"
        time.sleep(0.1)
    return False


@pytest.fixture
def database(server: str, request: pytest.FixtureRequest) -> str:
    """URL of an empty database of its own."""
    name = f"db{abs(hash(request.node.nodeid)):x}"
    execute(f"{server}/postgres", f"CREATE DATABASE {name}")
    return f"{server}/{name}"
