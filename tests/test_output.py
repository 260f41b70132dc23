"""What cannot be printed: one line and exit code 2, or silence where the reader has left."""

import subprocess
import sys
from pathlib import Path

import pytest

ARCHER = (sys.executable, "-c", "from archer.cli import main; main()")
FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="no device that is always full")
@pytest.mark.parametrize(
    "args",
    [
        ["rules"],  # more than a buffer, by rich
        ["export", "delta"],  # by print
        ["--help"],  # by tyro
        ["new", "my_rule"],  # less than a buffer, when all else has been done
    ],
)
def test_a_full_disk_under_standard_output_costs_one_line(tmp_path, args):
    with FULL.open("w") as full:
        found = subprocess.run(
            [*ARCHER, *args], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert found.returncode == 2
    assert found.stderr == "error: cannot write to standard output: No space left on device\n"


def test_trouble_with_another_file_is_not_blamed_on_standard_output(tmp_path):
    code = (
        "from archer.cli import COMMANDS, main\n"
        "def broken() -> None:\n    open('missing/file')\n"
        "COMMANDS['rules'] = broken\nmain(['rules'])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert found.returncode == 1
    assert "FileNotFoundError" in found.stderr
    assert "standard output" not in found.stderr


@pytest.mark.parametrize("args", [["rules"], ["--help"], ["bench", "--help"]])
def test_a_reader_that_leaves_early_hears_nothing(tmp_path, args):
    with subprocess.Popen(
        [*ARCHER, *args],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
