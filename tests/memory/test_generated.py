"""Generated sources are kept in a cache folder, or where that cannot be written, elsewhere."""

import sys
from pathlib import Path

import pytest

from archer.memory import generated
from archer.memory.generated import import_source

SOURCE = "ANSWER = 42\n"


def test_a_source_is_written_once_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    module = import_source(SOURCE, "kept")
    (file,) = (tmp_path / "archer" / "kernels").glob("*.py")
    assert (module.ANSWER, module.__file__) == (42, str(file))
    before = file.stat()
    assert import_source(SOURCE, "kept").ANSWER == 42
    assert file.stat().st_mtime_ns == before.st_mtime_ns


@pytest.mark.parametrize("made", [False, True], ids=["cannot be made", "cannot be written"])
def test_without_a_cache_folder_a_temporary_one_serves(
    made: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    if made:  # a folder in which nobody, root included, can make a file
        (tmp_path / "cache" / "archer").mkdir(parents=True)
        generated.cache_folder().symlink_to("/proc/self")
    else:
        (tmp_path / "cache").write_text("no folder")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    module = import_source(SOURCE, "elsewhere")
    assert module.ANSWER == 42
    assert Path(str(module.__file__)).parent.name.startswith("archer-kernels-")
    assert sys.modules[module.__name__] is module
