"""The loop with the real gates and sandbox: hostile proposals are contained, and it goes on."""

from dataclasses import replace
from pathlib import Path

from standins import Family
from test_loop import QUICK, loop

from archer.research.settings import Budget
from archer.research.start import judge

HOSTILE = Path(__file__).parent / "hostile"
LOOK_AHEAD = '''
"""Reads the future."""
from archer import Rule
class Seer(Rule):
    def local(self, scores, p):
        return scores + scores.sum(dim=-2, keepdim=True)
'''


HUNGRY = '''
"""Passes every reading, and then takes all memory."""
from archer import Rule
class Hungry(Rule):
    room = [0.0] * 10**12
'''


class Hostile(Family):
    """Attacks, a rule that looks ahead, delta itself, a knob that is not there; then a rule."""

    def ask(self, history):
        made = super().ask(history)
        sources = {
            0: (HOSTILE / "read_environment.py").read_text(),
            1: HUNGRY,
            2: LOOK_AHEAD,
            3: made.source.replace("0.87 * dS", "dS"),
            4: "x" * 5_000_000,
        }
        knobs = {"mu": 2.0} if history.number == 5 else {}
        return replace(made, source=sources.get(history.number, made.source), knobs=knobs)


def test_hostile_proposals_are_refused_and_the_loop_goes_on(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    settings = replace(QUICK, budget=Budget(7), claim_seeds=0)
    made = loop(tmp_path, settings, {"search": Hostile()}, gate=judge)
    assert made.run() == "the budget of 7 candidates is spent"
    entries = made.entries("search")
    assert [e.outcome for e in entries] == ["refused"] * 6 + ["promoted"]
    refusing = [e.reason.partition(":")[0] for e in entries[:6]]
    assert refusing == ["names", "traces", "traces", "novel", "parses", "valid"]
    assert "the same mathematics as the known rule delta" in entries[3].reason
    assert entries[6].behaviour
    assert entries[6].cost > 0
    assert entries[6].protection
    # whatever they tried, no secret came out: not into any row of the store
    assert b"sk-very-secret" not in (tmp_path / "archer.db").read_bytes()
    for entry in entries[:6]:
        assert entry.graph is None
        verdicts = made.ledger.verdicts(entry)
        assert sum(v.passed is False for v in verdicts) == 1
        assert verdicts[-1].passed is not True
