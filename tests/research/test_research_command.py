"""`archer research` as a person uses it: stopped with Ctrl-C, continued, looked at."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from archer.errors import ArcherError
from archer.research.ledger import Ledger
from archer.store import open_store

# two tasks of smoke are enough to train
COMMAND = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a script starts it
sys.path.append(sys.argv.pop(1))
import archer.cli as cli
from archer.mad import runner
from here import Here
runner.Pool = Here
from archer.mad import presets
small = presets.smoke().only(["memorization", "in-context-recall"])
presets.PRESETS["smoke"] = lambda: small
cli.main()
"""


def archer(*words: str, cwd: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", COMMAND, str(Path(__file__).parents[1]), "research", *words]
    return subprocess.Popen(
        command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def asked(folder: Path) -> int:
    """Candidates in the store, 0 while there is none."""
    try:
        with open_store(folder, create=False) as store:
            return len(Ledger(store, create=False).entries())
    except ArcherError:
        return 0


def test_ctrl_c_says_how_to_go_on_and_resume_does(tmp_path):
    words = ("--budget", "1", "--preset", "smoke", "--device", "cpu", "--out", "found")
    with archer(*words, cwd=tmp_path) as process:
        while not asked(tmp_path / "found"):
            assert process.poll() is None, process.communicate()[1]
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert errors.splitlines()[-1] == (
        "stopped: everything so far is kept; `archer research resume found` continues"
    )
    with archer("resume", "found", cwd=tmp_path) as process:
        said, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    assert "Of 1 proposal: 1 trains." in said
    assert asked(tmp_path / "found") == 1
    with open_store(tmp_path / "found") as store:
        (entry,) = Ledger(store).entries()
        trained = [state for state, _ in store.states(list_of_trials(store)).values()]
    assert entry.proposal.proposer == "evolution"
    assert (tmp_path / "found" / "candidates" / f"{entry.id}.md").is_file()
    assert set(trained) <= {"finished", "stopped", "diverged"}


def list_of_trials(store):
    return sorted({row[2] for plan in store.plans() for row in plan["rows"]})


def test_another_session_does_not_begin_over_an_unfinished_one(tmp_path):
    from archer.research.settings import Budget, Settings
    from archer.research.start import begin

    with open_store(tmp_path) as store:
        Ledger(store).begin(Settings(Budget(3)))
    with pytest.raises(ArcherError, match="unfinished session with other options"):
        begin(Settings(Budget(4)), tmp_path, None, print)


def test_resume_names_no_option_it_does_not_have(tmp_path):
    from archer.research.settings import Budget, Settings
    from archer.research.start import resume

    with open_store(tmp_path / "search.db") as store:
        Ledger(store).begin(Settings(Budget(3)))
    (tmp_path / "file").touch()
    with pytest.raises(ArcherError, match=r"File exists; resume a copy of it that can be written$"):
        resume(tmp_path / "file", str(tmp_path / "search.db"), print)
