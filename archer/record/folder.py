"""What every kind of record is made with: bytes that never differ, and a folder written whole."""

import contextlib
import gzip
import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from archer.errors import ArcherError


def zipped(text: str) -> bytes:
    """Gzipped without a name or a time in it: the same text gives the same bytes."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=buffer, mode="wb", compresslevel=6, mtime=0) as file:
        file.write(text.encode())
    return buffer.getvalue()


def json_bytes(data: Any) -> bytes:
    """Indented by one, so that a change shows as a line."""
    return (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode()


def sizes(folder: Path) -> dict[str, int]:
    """Bytes by file, sorted."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.stat().st_size for path in paths}


def new_folder(out: Path, day: str, name: str) -> Path:
    """OUT/DAY-NAME. Raises ArcherError for a bad name, and when it is there already."""
    if not re.fullmatch(r"[\w. -]+", name):
        raise ArcherError(f"--name {name!r}: use letters, digits, spaces, '-', '_' and '.'")
    target = out / f"{day}-{name}"
    if target.exists():
        raise ArcherError(f"{target} is there already: give another --name, or remove it")
    return target


@contextlib.contextmanager
def whole_folder(parent: Path, target: Path) -> Iterator[Path]:
    """A folder to fill, which becomes the target at once, or is gone again.

    Raises ArcherError if the target is there already or cannot be written.
    """
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=parent))
    try:
        yield folder
        os.chmod(folder, 0o755)
        os.rename(folder, target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ArcherError(f"cannot write {target}: {reason}; choose another --out") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
