"""`archer new`: the starting file."""

import re
from pathlib import Path

import pytest

from archer.check import check_file
from archer.errors import ArcherError
from archer.rules.functions import ALLOWED
from archer.rules.load import BUILTIN, load_rule
from archer.rules.template import rule_template, write_template


@pytest.mark.parametrize("name", ["my_rule", "x", "rule2", "a_much_longer_name"])
def test_starting_file_passes_check_under_its_name(name: str, tmp_path: Path) -> None:
    path = write_template(name, tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / f"{name}.py"
    assert load_rule(str(path)).rule_name() == name
    report = check_file(str(path))
    assert report.ok, [str(result) for result in report.results]
    assert report.rule == name
    assert "equal to no built-in rule" in report.results[-1].message


def test_it_explains_itself() -> None:
    text = rule_template("my_rule")
    assert '"""My rule: ' in text
    assert all(name in text for name in (*ALLOWED, "def gate(self, U, p)", "def local(self,"))
    assert all(f"Eq. ({n})" in text for n in (1, 2))
    assert max(map(len, text.splitlines())) <= 100


def test_hooks_in_comments_work_when_uncommented(tmp_path: Path) -> None:
    text = rule_template("my_rule").replace(
        "import Knob, Rule", "import Knob, Rule, causal_softmax"
    )
    start = text.index("    # def gate")
    end = text.index("    # A number per token")
    hooks = re.sub(r"(?m)^    # ?", "    ", text[start:end])
    path = tmp_path / "my_rule.py"
    path.write_text(text[:start] + hooks + text[end:])
    report = check_file(str(path))
    assert report.ok
    assert report.graph is not None
    assert not report.graph.is_default("local")


@pytest.mark.parametrize(
    "name",
    ["", "My_Rule", "MyRule", "my-rule", "my rule", "1st", "_x", "x_", "a__b", "class", "adam_2b"],
)
def test_bad_names(name: str, tmp_path: Path) -> None:
    with pytest.raises(ArcherError, match="cannot be a rule's name; use lower-case words"):
        write_template(name, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", [*BUILTIN, "rule", "knob", "signal", "attention", "fla:GLA"])
def test_taken_names(name: str) -> None:
    with pytest.raises(ArcherError, match="choose another name"):
        rule_template(name)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "my_rule.py"
    path.write_text("mine")
    with pytest.raises(ArcherError, match="exists already"):
        write_template("my_rule", tmp_path)
    assert path.read_text() == "mine"


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArcherError, match="cannot make the folder"):
        write_template("my_rule", tmp_path / "file" / "folder")
