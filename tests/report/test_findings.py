"""Findings: true of their own table, ranked, and as sure as the seeds allow."""

import pytest

from archer.report.claims.details import from_trials
from archer.report.claims.table import ScoreTable
from archer.report.findings import findings
from archer.report.study import Study

EIGHT = (
    *("delta", "decay", "error_gated", "momentum", "softmax_attention", "adam"),
    *("adam_softmax", "gated_delta"),
)


@pytest.fixture
def found(noisy):
    return findings(Study.of(noisy()))


@pytest.mark.parametrize(("seeds", "names"), [(1, ()), (2, ()), (6, ()), (3, EIGHT)])
def test_no_table_refutes_its_own_findings(noisy, seeds, names):
    study = Study.of(noisy(seeds, names))
    table = ScoreTable(study.table, from_trials(study.trials))
    made = findings(study)
    assert len(made) > 10
    for finding in made:
        assert finding.statement.judge(table).status == "confirmed", finding.text


def test_every_kind_is_there(found):
    kinds = {finding.kind for finding in found}
    assert kinds == {
        *("value", "difference", "ranking", "average", "best-on-task", "trade-off", "no effect"),
        *("identical by construction", "unstable"),
    }


def test_sentences_are_what_the_scores_say(found):
    said = {finding.text: finding for finding in found}
    trade = said[
        "Against `delta`, `softmax_attention` gains 0.050 on Compress and loses 0.201 on "
        "Fuzzy Recall."
    ]
    assert trade.kind == "trade-off"
    assert set(trade.cells) == {
        *(("softmax_attention", c) for c in ("Compress", "Fuzzy Recall")),
        *(("delta", c) for c in ("Compress", "Fuzzy Recall")),
    }
    same = said["`momentum` is identical by construction to `delta` on Compress and Memorize."]
    assert (same.certainty, same.size) == ("certain", 0.0)


def test_certain_before_open_and_large_before_small(found):
    assert found[0].kind == "ranking"  # who leads on average comes first, however sure
    found = found[1:]
    sure = [finding.certainty == "certain" for finding in found]
    assert sure == sorted(sure, reverse=True)
    for level in ("certain", "open"):
        sizes = [finding.size for finding in found if finding.certainty == level]
        assert sizes == sorted(sizes, reverse=True)


def test_a_lead_over_the_baseline_is_told_once(made):
    task = "in-context-recall"
    study = Study.of(made({("delta", task): 0.5, ("momentum", task): 0.25}))
    assert [f.text for f in findings(study)] == [
        "`delta` is best on Context Recall with 0.500, ahead of `momentum` by 0.250."
    ]


def test_nothing_but_identity_is_certain_with_one_seed(noisy):
    made = findings(Study.of(noisy(1)))
    assert {f.kind for f in made if f.certainty == "certain"} <= {
        "identical by construction",
        "value",
    }
    assert not [f for f in made if f.certainty == "open"]


def test_a_rule_without_a_score_is_not_spoken_of(made):
    task = "in-context-recall"
    scores = {("delta", task): 0.5, ("momentum", task): 0.25, ("adam", task): None}
    made_ = findings(Study.of(made(scores)))
    assert [f.text for f in made_] == ["On Context Recall `momentum` is 0.250 below `delta`."]


def test_a_lead_among_equivalent_rules_is_not_settled(noisy):
    study = Study.of(noisy())
    assert study.verdicts("gated_delta", "Fuzzy Recall")["delta"] == "equivalent"
    (lead,) = [f for f in findings(study) if f.text.startswith("`gated_delta` is best on Fuzzy")]
    assert lead.certainty == "open"
