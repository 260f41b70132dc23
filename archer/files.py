"""Files that are written whole or not at all."""

import contextlib
import os
import tempfile
from pathlib import Path

from archer.errors import ArcherError


def prepare_folder(folder: Path, fix: str = "choose another folder with --out") -> Path:
    """The folder, made if need be. Raises ArcherError, which ends with `fix`, if nothing can be
    written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise ArcherError(f"cannot write to {folder}: {reason}; {fix}") from error
    return folder


def write_whole(path: Path, content: str | bytes) -> Path:
    """Write beside the target, flush to disk, then rename over it. Raises ArcherError."""
    data = content.encode() if isinstance(content, str) else content
    if path.is_dir():
        raise ArcherError(f"cannot write {path}: it is a folder; name a file in it")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ArcherError(f"cannot write {path}: {reason}; choose another place") from error
    finally:  # also on Ctrl-C; nothing is left of it after a rename
        with contextlib.suppress(OSError):
            temporary.unlink()
    return path
