"""`archer research` as a person uses it: stopped with Ctrl-C, continued, looked at."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from forks import Forks
from llm_case import SLOW

from archer.cli import Terminated
from archer.errors import ArcherError
from archer.research.ledger import Ledger
from archer.research.settings import Budget, Settings
from archer.research.start import begin
from archer.store import open_store

# Two tasks of smoke are enough to train, and one measurement of a rule's time per token.
COMMAND = """
import signal
import archer.cli as cli
import archer.research.start
from archer.mad import presets, runner
from archer.research.gates import cost
from here import Here
runner.Pool = Here
cost.ROUNDS = cost.REPEATS = 1
small = presets.smoke().only(["memorization", "in-context-recall"])
presets.PRESETS["smoke"] = lambda: small

def main(*words):
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where a script starts it
    sys.argv = ["archer", "research", *words]
    cli.main()
"""


def asked(folder: Path) -> int:
    """Candidates in the store, 0 while there is none."""
    try:
        with open_store(folder, create=False) as store:
            return len(Ledger(store, create=False).entries())
    except ArcherError:
        return 0


def test_ctrl_c_says_how_to_go_on_and_resume_does(tmp_path):
    words = ("--budget", "1", "--preset", "smoke", "--device", "cpu", "--out", "found")
    with Forks(COMMAND, Path(__file__).parents[1]) as archer:
        process = archer.start(tmp_path, *words)
        while not asked(tmp_path / "found"):
            assert Path(f"/proc/{process}").exists(), (tmp_path / "errors").read_text()
            time.sleep(0.1)
        os.kill(process, signal.SIGINT)
        code, errors = archer.ended(), (tmp_path / "errors").read_text()
        assert code == 130
        assert "Traceback" not in errors
        assert errors.splitlines()[-1] == (
            "stopped: everything so far is kept; `archer research resume found` continues"
        )
        archer.start(tmp_path, "resume", "found")
        code = archer.ended()
    said, errors = ((tmp_path / name).read_text() for name in ("said", "errors"))
    assert code == 0, errors
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


def test_options_that_cannot_work_begin_no_session(tmp_path, monkeypatch):
    from archer.research.settings import Budget, Settings
    from archer.research.start import begin

    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    rule = tmp_path / "slow_momentum.py"
    rule.write_text(SLOW)
    manual = {"rule": str(rule), "motivation": "why"}
    wrong = [
        ("manual", {**manual, "rule": "missing.py"}, "cannot read missing.py"),
        ("manual", {**manual, "expect": {"chess": 0.1}}, "no task chess"),
        ("llm", {"model": "m"}, "no key"),
        ("llm", {"model": "m", "base_url": "nowhere"}, "no address"),
    ]
    for proposer, options, said in wrong:
        with pytest.raises(ArcherError, match=said):
            begin(Settings(Budget(1), proposer, options=options), tmp_path, None, print)
    with open_store(tmp_path) as store:
        assert not Ledger(store).sessions()


def test_what_was_proposed_is_gone_on_with_without_its_file(tmp_path):
    from archer.research.settings import Budget, Settings
    from archer.research.start import _loop

    rule = tmp_path / "slow_momentum.py"
    rule.write_text(SLOW)
    options = {"rule": str(rule), "motivation": "why"}
    with open_store(tmp_path) as store:
        ledger = Ledger(store)
        session = ledger.begin(Settings(Budget(1), "manual", options=options))
        made = _loop(ledger, session, tmp_path, print)
        made.propose("search", 0)
        rule.unlink()
        again = _loop(ledger, session, tmp_path, print)
        assert again.open("search")
        (entry,) = again.ask("search")
        assert entry.source == SLOW


def test_resume_names_no_option_it_does_not_have(tmp_path):
    from archer.research.settings import Budget, Settings
    from archer.research.start import resume

    with open_store(tmp_path / "search.db") as store:
        Ledger(store).begin(Settings(Budget(3)))
    (tmp_path / "file").touch()
    with pytest.raises(ArcherError, match=r"File exists; resume a copy of it that can be written$"):
        resume(tmp_path / "file", str(tmp_path / "search.db"), print)


def test_endless_hours_are_no_limit():
    """JSON has no infinity: what a session keeps is read by others than Python."""
    endless = Settings(Budget(3, hours=float("inf"), dollars=float("inf")))
    assert endless == Settings(Budget(3))
    assert "Infinity" not in json.dumps(endless.to_json())
    stored = json.loads(json.dumps(endless.to_json()).replace("null", "Infinity", 1))
    assert Settings.from_json(stored) == endless


def test_sigterm_stays_what_it_is(tmp_path, monkeypatch):
    """Its exit code is 143; one that stops jobs tells it from Ctrl-C."""

    def stopped(*_: object) -> None:
        raise Terminated

    monkeypatch.setattr("archer.research.start._costs", dict)
    monkeypatch.setattr("archer.research.start._loop", stopped)
    with pytest.raises(Terminated, match="everything so far is kept"):
        begin(Settings(Budget(1)), tmp_path, None, print)
