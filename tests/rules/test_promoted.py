"""The rules in `rules/`: what their searches found, unchanged, and valid."""

import re
from pathlib import Path

import pytest

from archer.check import check_file
from archer.rules.load import load_graph

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "rules").glob("*.py"))


def test_there_are_some() -> None:
    assert FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_promoted_rule_is_the_one_its_record_names(path: Path) -> None:
    said = re.search(r"# Record: (\S+), rule hash ([0-9a-f]{16})", path.read_text())
    assert said
    assert (ROOT / said[1]).is_dir()
    assert load_graph(str(path)).rule_hash.startswith(said[2])
    assert check_file(str(path)).ok
