"""Opens what a search has left in a folder, to read it or to go on."""

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from archer.errors import ArcherError
from archer.research.ledger import Ledger
from archer.store import STORE_FILE, open_store


def typed(folder: Path) -> str:
    """A folder as a shell wants it, in a command to be copied."""
    return shlex.quote(str(folder))


@contextmanager
def open_ledger(folder: Path, store: str | None = None) -> Iterator[Ledger]:
    """The ledger in a folder, or in a store elsewhere. Raises ArcherError where none is."""
    file = folder if folder.suffix == ".db" else folder / STORE_FILE
    if store is None and not file.exists():
        again = f"archer research --out {typed(folder)}"
        raise ArcherError(f"{folder}: no search there; `{again}` begins one")
    with open_store(store or folder, create=False) as opened:
        yield Ledger(opened, create=False)
