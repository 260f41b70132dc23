"""A task's data as a file of arrays, for use outside Archer."""

import io
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from archer.errors import ArcherError
from archer.files import prepare_folder, write_whole
from archer.mad.data import split
from archer.mad.settings import Setting, baseline


def setting_with(task: str, changes: Mapping[str, str]) -> Setting:
    """A task's baseline with some fields changed, given as text. Raises ArcherError."""
    base = baseline(task)
    types = {field.name: type(getattr(base, field.name)) for field in fields(base)}
    values: dict[str, Any] = {}
    for name, text in changes.items():
        if name not in types or name == "task":
            known = ", ".join(sorted(set(types) - {"task"}))
            raise ArcherError(f"--set {name}: a setting has no such field; it has {known}")
        try:
            values[name] = types[name](text)
        except ValueError:
            raise ArcherError(f"--set {name}={text}: not {types[name].__name__}") from None
    return replace(base, **values)


def write_arrays(
    setting: Setting, name: str, seed: int, n: int | None, path: Path
) -> tuple[Path, tuple[int, int]]:
    """Write `inputs` and `targets` (int32, -100 = not scored) as .npz; the path and their shape."""
    if path.suffix != ".npz":
        raise ArcherError(f"--out {path}: the file's name must end in .npz")
    prepare_folder(path.parent)
    arrays = split(setting, name, seed, n)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, inputs=arrays.inputs, targets=arrays.targets)
    rows, length = arrays.inputs.shape
    return write_whole(path, buffer.getvalue()), (rows, length)
