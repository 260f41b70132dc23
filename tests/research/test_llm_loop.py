"""The loop with a language model over real HTTP: what is wrong goes back to it, and all is kept."""

import json
from dataclasses import replace
from functools import partial

import pytest
from llm_case import AHEAD, SLOW, answer
from model_server import call, serving, status, text
from test_loop import QUICK, loop

from archer.errors import ArcherError
from archer.research.ledger import Ledger
from archer.research.proposal import Spent
from archer.research.proposers import check_options, proposer
from archer.research.settings import Budget
from archer.research.start import judge
from archer.store import open_store

PRICES = {"price_in": 2.0, "price_out": 10.0, "max_tokens": 2_000}


def settings(server, budget):
    options = {"model": "played", "base_url": server.base_url, "key_env": "", **PRICES}
    return replace(QUICK, proposer="llm", budget=budget, batch=1, claim_seeds=0, options=options)


def with_model(folder, asked, precheck=lambda proposal: None):
    """A loop whose proposer is the model of its settings."""
    made = loop(folder, asked)
    journal = partial(made.ledger.reached, made.session)
    model = proposer(asked, precheck, made.session.reached, journal)
    return replace(made, proposers={"search": model})


def gates(proposal):
    """What the gates say against a proposal."""
    refused = judge(proposal, []).failed
    return f"{refused.gate}: {refused.reason}" if refused else None


@pytest.mark.usefixtures("warm")
def test_a_dialogue_is_recorded_and_what_it_costs_counts(tmp_path):
    with serving(call(answer(source=AHEAD, knobs={})), call(answer())) as server:
        made = with_model(tmp_path, settings(server, Budget(1, dollars=1.0)), gates)
        made.run()
        again = server.requests[1].text
    (entry,) = made.entries("search")
    assert entry.source == SLOW
    assert entry.proposal.knobs == {"mu": 0.6}
    assert entry.outcome in ("promoted", "weeded")
    assert "traces: " in again  # the gate's own words went back to the model
    first, second = made.ledger.dialogue(entry)
    assert (first["request"], second["request"]) == tuple(r.body for r in server.requests)
    spent = entry.proposal.spent
    assert spent.dollars == pytest.approx(2 * (3_000 * 2e-6 + 500 * 10e-6))
    with open_store(tmp_path) as store:
        reached = Ledger(store).sessions()[0].reached
    assert reached == replace(spent, seconds=reached.seconds)


def test_a_server_without_tools_is_asked_for_text(tmp_path):
    with serving(text(json.dumps(answer()))) as server:
        asked = settings(server, Budget(1))
        made = with_model(tmp_path, replace(asked, options={**asked.options, "answer": "text"}))
        made.run()
        assert "tools" not in server.requests[0].body
    assert made.entries("search")[0].source == SLOW


def test_the_limit_in_dollars_holds_over_a_kill(tmp_path):
    """What was set aside for a request that never came back is taken as spent."""
    with serving(*[call(answer())] * 9) as server:
        asked = settings(server, Budget(9, dollars=0.05))
        with open_store(tmp_path) as store:
            ledger = Ledger(store)
            ledger.reached(ledger.begin(asked), Spent(dollars=0.049))
        made = with_model(tmp_path, asked)
        why = made.run()
        assert server.requests == []
    assert "cost limit: $0.0490 of $0.05 are used" in why


def test_a_server_that_fails_costs_candidates_but_not_the_loop(tmp_path):
    with serving(status(401), call(answer())) as server:
        made = with_model(tmp_path, settings(server, Budget(2)))
        made.run()
    none, entry = made.entries("search")
    assert none.reason.startswith("no proposal: ")
    assert entry.source == SLOW


def test_options_are_those_of_the_proposer():
    assert check_options("llm", {"model": "m", "rule": None}) == {"model": "m"}
    with pytest.raises(ArcherError, match="--proposer manual needs --motivation"):
        check_options("manual", {"rule": "x.py"})
    with pytest.raises(ArcherError, match="--price-in is not an option of --proposer evolution"):
        check_options("evolution", {"price_in": 1.0})
