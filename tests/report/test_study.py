"""What a result folder gives back, and what is refused."""

import math

import pandas as pd
import pytest

from archer.errors import ArcherError
from archer.report.facts import AVERAGE
from archer.report.files import write_report, write_results
from archer.report.study import Study
from archer.stats import compare


def test_a_folder_reports_as_the_benchmark_did(noisy, tmp_path):
    write_results(noisy(), tmp_path)
    before = {name: (tmp_path / name).read_text() for name in ("report.md", "report.html")}
    assert [p.name for p in write_report(tmp_path)] == ["report.md", "report.html"]
    assert {name: (tmp_path / name).read_text() for name in before} == before


def test_facts_are_those_of_the_statistics(noisy):
    study = Study.of(noisy())
    expected = compare(study.tidy, "delta").set_index(["rule", "column"])
    facts = study.facts["momentum", "Noisy Recall"]
    row = expected.loc[("momentum", "Noisy Recall")]
    assert (facts.difference, facts.p, facts.verdict) == (
        row["difference"],
        row["p_holm"],
        "different",
    )
    assert facts.n == 6
    assert facts.low < facts.score < facts.high
    assert study.facts["delta", "Noisy Recall"].verdict == "baseline"
    assert study.facts["momentum", "Memorize"].identical
    average = study.facts["momentum", AVERAGE]
    assert average.difference == pytest.approx(
        study.table.loc[study.rows["momentum"], AVERAGE]
        - study.table.loc["delta_net_4layer"][AVERAGE]
    )


def test_identity_follows_the_baseline(noisy):
    study = Study.of(noisy(), "momentum")
    assert study.facts["delta", "Memorize"].identical
    assert not study.facts["gated_delta", "Memorize"].identical
    assert study.verdicts("delta", "Memorize")["momentum"] == "identical by construction"


def test_a_cell_without_a_score_has_no_verdict(made):
    task = "in-context-recall"
    study = Study.of(made({("delta", task): 0.5, ("momentum", task): None}))
    facts = study.facts["momentum", "Context Recall"]
    assert math.isnan(facts.score)
    assert facts.verdict == "no score"


def test_a_table_that_is_not_of_these_trials_is_said(noisy, tmp_path):
    write_results(noisy(), tmp_path)
    table = pd.read_csv(tmp_path / "results.csv", index_col=0)
    table.loc["delta_net_4layer", "Memorize"] += 0.01
    table.to_csv(tmp_path / "results.csv")
    write_report(tmp_path, form="md")
    said = "results.csv differs from trials.csv in the cell of delta_net_4layer and Memorize"
    assert said in (tmp_path / "report.md").read_text()


def test_compressed_trials_and_missing_curves_do(noisy, tmp_path):
    results = noisy()
    results.trials.to_csv(tmp_path / "trials.csv.gz", index=False)
    study = Study.load(tmp_path)
    assert study.curves.empty
    assert study.table.shape == results.table.shape


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda f: f.unlink(), "holds no trials.csv"),
        (lambda f: f.write_text(""), "is not a CSV table"),
        (lambda f: f.write_text("a,b\n1,2\n"), "lacks the column 'rule'"),
        (lambda f: f.write_text(f.read_text().splitlines()[0] + "\n"), "has no rows"),
        (lambda f: f.write_text(f.read_text().replace("strict", "mad-lab", 1)), "two protocols"),
    ],
)
def test_what_is_no_result_folder_is_refused(noisy, tmp_path, break_it, message):
    noisy().trials.to_csv(tmp_path / "trials.csv", index=False)
    break_it(tmp_path / "trials.csv")
    with pytest.raises(ArcherError, match=message):
        Study.load(tmp_path)
    with pytest.raises(ArcherError, match="is not a folder"):
        Study.load(tmp_path / "none")


def test_formats_and_places(noisy, tmp_path):
    write_results(noisy(2), tmp_path)
    assert write_report(tmp_path, out=tmp_path / "a.html") == [tmp_path / "a.html"]
    assert (tmp_path / "a.html").read_text().startswith("<!doctype html>")
    write_report(tmp_path, form="md", out=tmp_path / "b.txt")
    assert (tmp_path / "b.txt").read_text().startswith("# MAD")
    with pytest.raises(ArcherError, match=r"must be \.md or \.html"):
        write_report(tmp_path, out=tmp_path / "c.txt")
    with pytest.raises(ArcherError, match="not among the rules run"):
        write_report(tmp_path, "detla")


def test_a_baseline_without_a_score_compares_nothing(made, tmp_path):
    task = "in-context-recall"
    results = made({("delta", task): None, ("momentum", task): 0.5})
    write_results(results, tmp_path)
    facts = Study.of(results).facts
    assert facts["momentum", "Context Recall"].score == 0.5
    assert {f.verdict for f in facts.values()} == {"no score"}
    assert (
        "There is no second rule with a score to compare with."
        in (tmp_path / "report.md").read_text()
    )
