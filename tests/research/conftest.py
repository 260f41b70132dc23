"""Confined processes that start at once."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from warm import Server

from archer.research.sandbox import process


@pytest.fixture(scope="session")
def warm_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    found = Server(str(Path(tmp_path_factory.mktemp("warm"), "s")))
    yield found
    found.close()


@pytest.fixture
def warm(warm_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Confined processes are forks of one that has imported torch."""
    monkeypatch.setattr(process, "_start", warm_server.start)
