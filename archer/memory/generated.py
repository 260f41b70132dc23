"""Generated kernel sources as modules: written to a cache folder, imported once."""

import hashlib
import importlib.util
import os
import sys
import tempfile
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from archer.memory.triton_codegen import Kernels, Shape
from archer.rules.graph import RuleGraph


@lru_cache(maxsize=256)
def kernels_for(rule: RuleGraph, shape: Shape, learned: frozenset[str]) -> "Compiled":
    """Generated and imported kernels; Triton compiles them at their first launch."""
    kernels = Kernels(rule, shape, learned)
    return Compiled(kernels, import_source(kernels.source(), rule.name))


class Compiled:
    """Kernels of one rule and shape, ready to launch."""

    def __init__(self, kernels: Kernels, module: ModuleType) -> None:
        self.kernels, self.module = kernels, module


def cache_folder() -> Path:
    """Where generated sources are kept: $XDG_CACHE_HOME/archer/kernels."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "archer" / "kernels"


def import_source(source: str, name: str) -> ModuleType:
    """Import generated source. Triton reads it from a file, so it is kept in the cache folder."""
    digest = hashlib.sha256(source.encode()).hexdigest()[:16]
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="archer-kernels-"))
    path = folder / f"{name}_{digest}.py"
    if not path.exists():
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(source)
        temporary.replace(path)
    module_name = f"archer_kernels_{name}_{digest}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    spec.loader.exec_module(module)
    return module
