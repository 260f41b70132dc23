"""Generated kernel sources as modules: written to a cache folder, imported once."""

import hashlib
import importlib.util
import os
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from archer.errors import ArcherError
from archer.files import prepare_folder, write_whole
from archer.memory.kernels import Kernels, Shape
from archer.memory.triton_codegen import source
from archer.rules.graph import RuleGraph


@lru_cache(maxsize=256)
def kernels_for(rule: RuleGraph, shape: Shape, learned: frozenset[str]) -> "Compiled":
    """Generated and imported kernels; Triton compiles them at their first launch."""
    kernels = Kernels(rule, shape, learned)
    return Compiled(kernels, import_source(source(kernels), rule.name))


class Compiled:
    """Kernels of one rule and shape, ready to launch."""

    def __init__(self, kernels: Kernels, module: ModuleType) -> None:
        self.kernels, self.module = kernels, module


def cache_folder() -> Path:
    """Where generated sources are kept: $XDG_CACHE_HOME/archer/kernels."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "archer" / "kernels"


def import_source(text: str, name: str) -> ModuleType:
    """Import generated source. Triton reads it from a file, so it is kept in the cache folder,
    or where nothing can be written there, in a temporary one.
    """
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    file = f"{name}_{digest}.py"
    try:
        path = _kept(cache_folder() / file, text)
    except (ArcherError, OSError):
        path = _kept(Path(tempfile.mkdtemp(prefix="archer-kernels-")) / file, text)
    module_name = f"archer_kernels_{name}_{digest}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    spec.loader.exec_module(module)
    return module


def _kept(path: Path, text: str) -> Path:
    """The file, written unless it is there. Raises ArcherError or OSError where it cannot be."""
    if not path.exists():
        write_whole(prepare_folder(path.parent) / path.name, text)
    return path
