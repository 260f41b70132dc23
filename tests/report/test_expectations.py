"""Expectations against measurements, the proposed modification, and breaks per setting."""

import json
from dataclasses import replace
from typing import ClassVar

import pytest

from archer.errors import ArcherError
from archer.mad.plan import make_plan
from archer.mad.presets import mad, smoke
from archer.mad.results import Results, curves_frame, trials_frame
from archer.report.claims import verify, verify_file
from archer.report.expectations import expectations
from archer.report.files import write_report, write_results
from archer.report.html import page
from archer.report.markdown import report
from archer.report.stated import expects_text
from archer.report.study import Study
from archer.rules.base import Rule, RuleError
from archer.rules.graph import rule_from_json
from archer.rules.load import builtin_graph
from archer.rules.trace import trace

PROPOSAL = {
    "name": "leaky_momentum",
    "motivation": "A leak should raise Memorize to 0.9.",
    "bottleneck": "Memorize: the best score on Memorize is 0.123.",
    "equations": "m_n = mu * m_{n-1} + dS_n        (1)",
    "knobs": {"mu": 0.8},
    "implementation": ["one slot more than delta"],
    "expected": {"memorization": 0.05, "compression": -0.01},
}


def outcomes(results, against=None):
    found = expectations(Study.of(results, against))
    return {(e.rule, e.column): e.outcome for e in found}


def test_what_is_settled_is_met_or_not_and_the_rest_is_open(noisy):
    assert outcomes(noisy(6)) == {
        ("momentum", "Fuzzy Recall"): "met",
        ("momentum", "Memorize"): "met",  # identical by construction
        ("momentum", "Noisy Recall"): "not met",
        ("softmax_attention", "Memorize"): "cannot tell",
        ("gated_delta", "Fuzzy Recall"): "not met",  # equivalent
        ("gated_delta", "Memorize"): "not met",
    }
    assert set(outcomes(noisy(1)).values()) == {"met", "cannot tell"}


def test_expectations_are_meant_against_delta(noisy):
    assert outcomes(noisy(3), "momentum") == {}


def test_a_rule_of_ones_own_is_read_from_the_folder(noisy, tmp_path):
    write_results(noisy(6), tmp_path)
    (tmp_path / "expects.json").write_text(
        expects_text({"gated_delta": {"noisy-in-context-recall": "up", "sorting": "up"}})
    )
    study = Study.load(tmp_path)
    found = {(e.column, e.expected) for e in expectations(study) if e.rule == "gated_delta"}
    assert found == {("Noisy Recall", "up")}
    assert "'sorting', which is no task" in report(study)
    (tmp_path / "expects.json").write_text('{"gated_delta": {"sorting": "better"}}')
    with pytest.raises(ArcherError, match=r"expects\.json must read"):
        Study.load(tmp_path)


def test_the_proposal_is_shown_and_every_statement_of_it_is_a_prediction(noisy, tmp_path):
    write_results(noisy(3), tmp_path)
    (tmp_path / "proposal.json").write_text(json.dumps(PROPOSAL))
    write_report(tmp_path)
    text, html = ((tmp_path / f"report.{form}").read_text() for form in ("md", "html"))
    for said in ("leaky_momentum", "m_{n-1} + dS_n", "mu = 0.8", "one slot more", "+0.050"):
        assert said in text
        assert said in html
    begin = text[: text.index("## Proposed next modification")].count("\n")
    end = text[: text.index("## Next steps")].count("\n")
    inside = [v for v in verify_file(tmp_path / "report.md", tmp_path) if begin < v.line <= end]
    assert len(inside) >= 3
    assert {(v.status, v.note) for v in inside} == {("unchecked", "prediction")}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"expected": {"sorting": 0.1}}, "'sorting' is no task"),
        ({"nmae": "x"}, "unknown field 'nmae'"),
        ({"knobs": {"mu": "high"}}, "not a proposal"),
    ],
)
def test_a_damaged_proposal_is_one_clear_line(noisy, tmp_path, change, message):
    write_results(noisy(1, ("delta", "momentum")), tmp_path)
    (tmp_path / "proposal.json").write_text(json.dumps(PROPOSAL | change))
    with pytest.raises(ArcherError, match=message):
        Study.load(tmp_path)


@pytest.fixture(scope="module")
def breaking(member):
    """One task of the whole benchmark: gated_delta breaks at a vocabulary of 2,048."""
    graphs = [builtin_graph(name) for name in ("delta", "gated_delta")]
    plan = make_plan(graphs, mad().only(["memorization"]), seeds=1)
    outcomes = {}
    for row in plan.rows:
        hard = row.rule == "gated_delta" and row.trial.setting.vocab_size >= 2048
        outcomes[row.trial.id] = member(0.2 if hard else 0.8)
    trials = trials_frame(plan, outcomes, {}, "cpu")
    return Results(plan, trials, 1.0, "cpu", curves=curves_frame({}))


def test_every_setting_is_broken_down_and_the_break_is_said(breaking):
    study = Study.of(breaking)
    text = report(study)
    by_vocabulary = text[text.index("By `vocab_size`") :].split("\n\n")[1].splitlines()
    head, delta, gated = (
        [cell.strip() for cell in by_vocabulary[i].split("|")[1:-1]] for i in (0, 2, 3)
    )
    assert head[-1] == "breaks at"
    assert delta[0] == "delta"
    assert delta[-1] == "never"
    assert set(delta[1:-1]) == {"0.800"}
    assert gated[head.index("2048")] == "0.200"
    assert gated[-1] == "2048"
    assert "gated_delta at 2048." in page(study)
    refuted = [v for v in verify(text, study.table.reset_index()) if v.status == "refuted"]
    assert refuted == []


def test_an_expectation_is_no_part_of_what_a_rule_is():
    class Leaky(Rule):
        def write(self, S, dS, slots, p):
            return 0.5 * S + dS

    class Hopeful(Leaky):
        expects: ClassVar = {"memorization": "up"}

    plain, said = replace(trace(Leaky), name="leaky"), replace(trace(Hopeful), name="leaky")
    assert said.expects == (("memorization", "up"),)
    assert said == plain
    assert said.rule_hash == plain.rule_hash
    preset = smoke().only(["memorization"])
    ids = [[row.trial.id for row in make_plan([graph], preset).rows] for graph in (plain, said)]
    assert ids[0] == ids[1]
    again = rule_from_json(json.loads(json.dumps(said.to_json())))
    assert again.expects == said.expects
    assert "expects" not in plain.to_json()


@pytest.mark.parametrize("wrong", [{"memorization": "better"}, ["memorization"], {1: "up"}])
def test_another_word_is_refused(wrong):
    class Wrong(Rule):
        expects = wrong

    with pytest.raises(RuleError, match="by task one of"):
        trace(Wrong)
