"""The loop's tables beside the trials', in SQLite and in PostgreSQL."""

import math

import pandas as pd
import pytest

from archer.errors import ArcherError
from archer.mad.settings import TASKS
from archer.research.ledger import Ledger
from archer.research.proposal import Proposal, Spent
from archer.research.settings import Budget, Settings
from archer.research.verdict import Gated, Verdict
from archer.rules.load import builtin_graph
from archer.store import open_store

PROPOSAL = Proposal(
    name="wave",
    motivation="because",
    bottleneck="recall",
    source="class Wave: ...\n",
    expected={"compression": 0.1},
    parents=("delta",),
    knobs={"mu": 0.5},
    proposer="manual",
    spent=Spent(1.5, 10, 20, 0.25),
    dialogue=({"role": "user", "content": "ä"}, {"role": "model", "content": "x" * 100_000}),
)
VERDICTS = (Verdict("parses", True, "ok", 0.5), Verdict("novel", None, "not reached"))


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request, tmp_path):
    if request.param == "postgresql":
        return request.getfixturevalue("database")
    return tmp_path


def test_what_is_written_comes_back(address):
    with open_store(address) as store:
        ledger = Ledger(store)
        session = ledger.begin(Settings(Budget(3, dollars=1.0)))
        entry = ledger.add(session, "search", 0, PROPOSAL, 2.5)
        graph = builtin_graph("momentum")
        ledger.gated(entry, Gated(VERDICTS, graph, "1 2 3", 1.25, ("walls",)), 3.5)
        rows = [("x", t, s, s / 3) for t in TASKS for s in range(2)] + [("y", "a", 0, math.nan)]
        frame = pd.DataFrame(rows, columns=["rule", "task", "seed", "accuracy"])
        ledger.scored(session, "quick", "validation", frame)
        ledger.scored(session, "quick", "validation", frame)  # again, as after a kill
        ledger.judged(ledger.entry(entry.id), "promoted", "good", "quick", 4.5, final=True)
        ledger.reached(session, Spent(dollars=0.75))
        ledger.costs(session, {"delta": 1.0})
        ledger.end(session, "done")
    with open_store(address) as store:
        ledger = Ledger(store, create=False)
        (entry,) = ledger.entries()
        assert entry.proposal == Proposal(**{**vars(PROPOSAL), "dialogue": ()})
        assert entry.graph is not None
        assert entry.graph.rule_hash == entry.hash == graph.rule_hash
        assert (entry.name, entry.graph.name) == ("wave", "wave")
        assert (entry.behaviour, entry.cost, entry.protection) == ("1 2 3", 1.25, ("walls",))
        assert (entry.outcome, entry.reason, entry.stage) == ("promoted", "good", "quick")
        assert (entry.asking, entry.gating, entry.training) == (2.5, 3.5, 4.5)
        assert tuple(ledger.verdicts(entry)) == VERDICTS
        assert tuple(ledger.dialogue(entry)) == PROPOSAL.dialogue
        found = ledger.scores(1)
        assert len(found) == len(rows)
        assert found.loc[found["rule"] == "x", "accuracy"].sum() == pytest.approx(len(TASKS) / 3)
        assert found.loc[found["rule"] == "y", "accuracy"].isna().all()
        assert ledger.scores(1, "test").empty
        (session,) = ledger.sessions()
        assert (session.why, session.costs) == ("done", {"delta": 1.0})
        assert session.reached == Spent(dollars=0.75)
        with pytest.raises(ArcherError, match="another process works on session 1"):
            ledger.add(session, "search", 0, PROPOSAL, 0.0)
        assert ledger.add(session, "control", 0, PROPOSAL, 0.0).name.startswith("wave_")
