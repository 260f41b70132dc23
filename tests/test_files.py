"""Files are written whole or not at all."""

import os

import pytest

from archer.errors import ArcherError, one_line
from archer.files import prepare_folder, write_whole


def test_writing_replaces_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("old")
    assert write_whole(path, "new é") == path
    assert path.read_bytes() == "new é".encode()
    write_whole(path, b"\x00")
    assert path.read_bytes() == b"\x00"
    assert os.listdir(tmp_path) == ["x.csv"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch, error):
    path = tmp_path / "x.csv"
    path.write_text("old")

    def fail(descriptor):
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    wanted = ArcherError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(wanted) as caught:
        write_whole(path, "new")
    if wanted is ArcherError:
        assert str(caught.value) == (
            f"cannot write {path}: No space left on device; choose another place"
        )
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["x.csv"]


def test_places_that_cannot_be_written_are_named(tmp_path):
    file = tmp_path / "file"
    file.write_text("kept")
    with pytest.raises(ArcherError, match=f"cannot write to {file}/x: Not a directory; choose"):
        prepare_folder(file / "x")
    with pytest.raises(ArcherError, match=f"cannot write to {file}: File exists; choose"):
        prepare_folder(file)
    with pytest.raises(ArcherError, match=r"File exists; choose another folder with --out$"):
        prepare_folder(file)
    with pytest.raises(ArcherError, match=r"File exists; stand elsewhere$"):
        prepare_folder(file, "stand elsewhere")
    with pytest.raises(ArcherError, match="Not a directory; choose another place"):
        write_whole(file / "x", "text")
    with pytest.raises(ArcherError, match="No such file or directory; choose another place"):
        write_whole(tmp_path / "missing" / "x", "text")
    with pytest.raises(ArcherError, match="it is a folder; name a file in it"):
        write_whole(tmp_path, "text")
    assert os.listdir(tmp_path) == ["file"]


def test_a_folder_is_made_with_its_parents_and_left_empty(tmp_path):
    folder = prepare_folder(tmp_path / "a" / "b")
    assert os.listdir(folder) == []


def test_errors_become_one_line():
    assert one_line(ArcherError("the mistake\nmore")) == "the mistake"
    assert one_line(ValueError("first\nsecond")) == "ValueError: first"
    assert one_line(ValueError()) == "ValueError"
