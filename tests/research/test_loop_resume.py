"""The loop is killed at any instant, and goes on."""

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from forks import Forks
from sqlalchemy import inspect, select, text, update
from standins import Family, StoringLab, plain_gate
from test_loop import QUICK, loop

from archer.cli import _run
from archer.errors import ArcherError
from archer.research.ledger import Ledger
from archer.research.settings import Budget
from archer.research.tables import holds, sessions
from archer.store import open_store
from archer.store.schema import meta, runs

HERE = Path(__file__).parent


class KilledError(BaseException):
    """Stands for a kill: nothing but the store survives it."""


def facts(made):
    """Everything of a session that must not depend on when it was interrupted."""
    entries = [
        (e.id, e.name, e.source, e.outcome, e.reason, e.stage, e.hash, e.proposal)
        for arm in ("search", "control")
        for e in made.entries(arm)
    ]
    scores = [made.ledger.scores(1, split) for split in ("validation", "test")]
    return entries, pd.concat(scores, ignore_index=True)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """What a session of three candidates gives."""
    whole = loop(tmp_path_factory.mktemp("whole"), replace(QUICK, budget=Budget(3)))
    whole.run()
    return facts(whole)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", ["add", "gated", "scored", "judged", "end"])
def test_interrupted_at_any_step_it_ends_as_if_it_had_not_been(
    tmp_path, monkeypatch, unbroken, step, after
):
    settings = replace(QUICK, budget=Budget(3))
    wanted, scores = unbroken
    real, left = getattr(Ledger, step), [0]

    def killed(self, *given):
        left[0] -= 1
        if left[0] == 0:
            if after:
                real(self, *given)
            raise KilledError
        return real(self, *given)

    monkeypatch.setattr(Ledger, step, killed)
    for life in range(1, 30):  # every life reaches one step further than the one before
        left[0] = life
        try:
            made = loop(tmp_path / "killed", settings)
            made.run()
        except KilledError:
            continue
        break
    assert life > 1
    found, again = facts(made)
    assert found == wanted
    pd.testing.assert_frame_equal(again, scores)


def test_killed_while_it_asks_gates_or_trains(tmp_path):
    class Dying(Family):
        def ask(self, history):
            proposal = super().ask(history)
            if history.number == 1 and len(self.asked) == 2:
                raise KilledError
            return proposal

    gated = []
    passing = plain_gate(tmp_path)

    def gate(proposal, known):
        gated.append(proposal.name)
        if gated.count("scaled2") == 1 and proposal.name == "scaled2":
            raise KilledError
        return passing(proposal, known)

    proposer = Dying()
    for _ in range(3):
        try:
            made = loop(tmp_path, proposers={"search": proposer}, gate=gate)
            made.run()
        except KilledError:
            continue
    assert [e.outcome for e in made.entries("search")] == ["promoted"] * 4
    assert proposer.asked == [0, 1, 1, 2, 3]  # number 1 was not recorded, and is asked again
    assert gated == ["scaled0", "scaled1", "scaled2", "scaled2", "scaled3"]


LOOP = """
import time
from pathlib import Path
from dataclasses import replace
from standins import Family, FakeLab
from test_loop import QUICK, loop
from archer.research.settings import Budget
class Slow(FakeLab):
    def measure(self, *given):
        time.sleep(0.05)
        return super().measure(*given)

def main(folder):
    made = loop(Path(folder), replace(QUICK, budget=Budget(8)), lab=Slow)
    made.ledger.take(made.session)
    print("ready", flush=True)
    print(made.run(), flush=True)
"""


def test_kill_9_and_resume(tmp_path):
    found = tmp_path / "found"
    with Forks(LOOP, HERE) as lives:
        process = lives.start(tmp_path, str(found))
        while (tmp_path / "said").read_text() != "ready\n":
            assert Path(f"/proc/{process}").exists(), (tmp_path / "errors").read_text()
            time.sleep(0.01)
        with open_store(found) as store:
            ledger = Ledger(store)
            with pytest.raises(ArcherError, match=f"process {process} is at work on it"):
                ledger.take(ledger.sessions()[0])
            while len(ledger.entries()) < 3:
                time.sleep(0.02)
            os.kill(process, signal.SIGKILL)
            assert lives.ended() == -signal.SIGKILL
            half = ledger.entries()
            assert len(half) < 8
        lives.start(tmp_path, str(found))
        assert lives.ended() == 0
    assert (tmp_path / "said").read_text().endswith("candidates is spent\n")
    with open_store(found) as store:
        entries = Ledger(store).entries()
    assert [e.number for e in entries] == list(range(8))
    assert {e.outcome for e in entries} == {"promoted"}
    assert [e.id for e in entries[: len(half)]] == [e.id for e in half]


def test_a_folder_carried_to_another_machine_goes_on(tmp_path, monkeypatch):
    """Half of it elsewhere, by a process whose pid lives here too, and killed there."""
    whole = loop(tmp_path / "whole", lab=StoringLab)
    whole.run()
    wanted, scores = facts(whole)
    there = loop(tmp_path / "there", lab=StoringLab)

    def killed(self, *given):
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "judged", killed)
        with pytest.raises(KilledError):
            there.run()
    with there.ledger.store.transaction() as connection:
        connection.execute(sessions.update().values(machine="elsewhere"))
        connection.execute(runs.update().values(machine="elsewhere"))
        connection.execute(holds.update().values(until=0.0))  # a minute later
    there.ledger.store.close()
    (tmp_path / "there").rename(tmp_path / "here")
    made = loop(tmp_path / "here", lab=StoringLab)
    made.ledger.take(made.session)
    made.run()
    found, again = facts(made)
    assert found == wanted
    pd.testing.assert_frame_equal(again, scores)


def test_a_session_at_work_elsewhere_is_taken_over_only_when_its_lease_is_out(tmp_path):
    with open_store(tmp_path) as store:
        session = Ledger(store).begin(QUICK)
        with store.transaction() as connection:
            connection.execute(sessions.update().values(machine="far away", pid=7))
        with pytest.raises(ArcherError, match=r"process 7 of far is at work on it; .* wait \d+ s"):
            Ledger(store).take(session)
        with store.transaction() as connection:
            connection.execute(holds.update().values(until=0.0))
        mine = Ledger(store)
        mine.take(session)
        mine.costs(session, {"delta": 1.0})
        with store.transaction() as connection:
            connection.execute(sessions.update().values(machine="far away"))
        with pytest.raises(ArcherError, match="another process works on session 1 since"):
            mine.costs(session, {"delta": 2.0})
        assert mine.sessions()[0].costs == {"delta": 1.0}


def test_a_session_shows_signs_of_life_while_it_is_held_and_is_free_after(tmp_path, monkeypatch):
    monkeypatch.setattr("archer.research.hold.LEASE_SECONDS", 0.2)
    with open_store(tmp_path) as store:
        ledger = Ledger(store)
        session = ledger.begin(QUICK)
        with ledger.held(session):
            first = until(store)
            deadline = time.monotonic() + 60
            while until(store) == first:
                assert time.monotonic() < deadline
                time.sleep(0.02)
        assert until(store) is None
        with store.transaction() as connection:  # a process that lives, but has given it back
            connection.execute(sessions.update().values(pid=os.getppid(), machine="elsewhere"))
        Ledger(store).take(session)


def until(store):
    with store.transaction() as connection:
        return connection.scalar(select(holds.c.until))


def test_a_store_of_the_first_version_can_be_read_and_gone_on_with(tmp_path):
    with open_store(tmp_path) as store:
        session = Ledger(store).begin(QUICK)
        with store.transaction() as connection:
            holds.drop(connection)
            connection.execute(update(meta).where(meta.c.key == "research").values(value="1"))
        read = Ledger(store, create=False)
        assert read.sessions() == [session]
        with store.transaction() as connection:
            assert not inspect(connection).has_table("research_holds")  # reading changes nothing
        read.take(session)
        assert until(store) is not None


def test_two_that_do_not_see_each_other_cannot_both_add(tmp_path):
    made = loop(tmp_path)
    proposal = Family().ask(made.history("search", 0))
    made.ledger.add(made.session, "search", 0, proposal, 0.0)
    with pytest.raises(ArcherError, match="another process works on session 1"):
        made.ledger.add(made.session, "search", 0, proposal, 0.0)


def test_a_store_without_research_says_so(tmp_path):
    with (
        open_store(tmp_path) as store,
        pytest.raises(ArcherError, match="no research there"),
    ):
        Ledger(store, create=False)


def test_tables_of_a_newer_archer_are_left_alone(tmp_path):
    with open_store(tmp_path) as store:
        Ledger(store)
        with store.transaction() as connection:
            connection.execute(update(meta).where(meta.c.key == "research").values(value="99"))
        with pytest.raises(ArcherError, match="of a newer Archer"):
            Ledger(store)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("research_candidates SET outcome = 'liked'", r"candidate \w+: its outcome is 'liked'"),
        ("research_candidates SET training = 'long'", r"candidate \w+: its training is 'long'"),
        ("research_candidates SET proposal = '{'", r"candidate \w+: "),
        ("research_candidates SET graph = '{}'", r"candidate \w+: "),
        ("research_sessions SET settings = '{}'", "session 1: it lacks 'budget'"),
        ("research_sessions SET costs = '[]'", "session 1: "),
        (
            "research_verdicts SET seconds = 'few'",
            r"verdict on candidate \w+: its seconds is 'few'",
        ),
        ("research_scores SET accuracy = 'high'", "scores of session 1: "),
    ],
)
def test_a_row_changed_by_hand_costs_one_line(tmp_path, change, said):
    made = loop(tmp_path, replace(QUICK, budget=Budget(1), claim_seeds=0))
    made.run()
    (entry,) = made.entries("search")
    with made.ledger.store.transaction() as connection:
        connection.execute(text(f"UPDATE {change}"))
    ledger = made.ledger
    with pytest.raises(ArcherError, match=rf"is damaged \({said}") as told:
        _ = (ledger.sessions(), ledger.entries(), ledger.verdicts(entry), ledger.scores(1))
    assert "\n" not in str(told.value)


def test_looking_at_a_search_that_never_began_costs_one_line(tmp_path, capsys):
    with open_store(tmp_path) as store:
        Ledger(store)
    assert _run(["research", "status", str(tmp_path)]) == 2
    assert "no research there; `archer research` begins one" in capsys.readouterr().err
