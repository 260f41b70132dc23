"""The proposer that is a person."""

import os
from pathlib import Path

import pytest
from llm_case import SLOW, candidate, history

from archer.errors import ArcherError
from archer.research.manual import ManualProposer
from archer.research.proposal import ProposalError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "any_file_name.py"
    path.write_text(SLOW)
    return path


def test_file_and_motivation_become_the_proposal(file: Path) -> None:
    expected = {"compression": 0.02}
    manual = ManualProposer(file, " It filters. ", expected, bottleneck="noise")
    proposal = manual.ask(history())
    assert (proposal.name, proposal.source) == ("slow_momentum", SLOW)
    assert (proposal.motivation, proposal.bottleneck) == ("It filters.", "noise")
    assert proposal.expected == expected
    assert (proposal.parents, proposal.proposer) == (("delta",), "manual")
    assert manual.ask(history()) == proposal


def test_file_is_read_and_never_run(tmp_path: Path) -> None:
    path, mark = tmp_path / "rule.py", tmp_path / "ran"
    path.write_text(f"open({str(mark)!r}, 'w').close()\n{SLOW}")
    ManualProposer(path, "why").ask(history())
    assert not mark.exists()


def test_same_file_is_proposed_once(file: Path) -> None:
    tried = candidate("slow_momentum", "weeded", "no better")
    with pytest.raises(ProposalError, match="proposed already, as id-slow_momentum"):
        ManualProposer(file, "why").ask(history(tried))
    file.write_text(SLOW + "# changed\n")
    with pytest.raises(ProposalError, match="'slow_momentum' is taken"):
        ManualProposer(file, "why").ask(history(tried))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = (", "does not parse: line 1"),
        ("x = 1", "defines 0 classes"),
        (SLOW.replace("SlowMomentum", "Momentum"), "built-in rule's name"),
        (SLOW.replace("(Rule)", ""), "does not inherit from Rule"),
    ],
)
def test_file_without_a_rule_of_its_own_is_refused(file: Path, text: str, said: str) -> None:
    file.write_text(text)
    with pytest.raises(ArcherError, match=said):
        ManualProposer(file, "why")


def test_mistakes_are_named(file: Path, tmp_path: Path) -> None:
    with pytest.raises(ArcherError, match="cannot read"):
        ManualProposer(tmp_path / "none.py", "why")
    with pytest.raises(ArcherError, match="must end in"):
        ManualProposer(tmp_path, "why")
    with pytest.raises(ArcherError, match="motivation"):
        ManualProposer(file, "  ")
    with pytest.raises(ArcherError, match="compression must lie within"):
        ManualProposer(file, "why", {"compression": 2.0})
    with pytest.raises(ArcherError, match="no task chess"):
        ManualProposer(file, "why", {"chess": 0.1})
    os.mkfifo(tmp_path / "pipe.py")
    with pytest.raises(ArcherError, match="is no file"):
        ManualProposer(tmp_path / "pipe.py", "why")
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ArcherError, match="not UTF-8"):
        ManualProposer(file, "why")
