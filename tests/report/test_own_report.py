"""Archer's own reports, held against their own folders."""

from pathlib import Path

import pytest

from archer.report.claims import verify_file
from archer.report.files import write_results

EIGHT = (
    *("delta", "decay", "error_gated", "momentum", "softmax_attention", "adam"),
    *("adam_softmax", "gated_delta"),
)
RECORDS = [
    p for p in (Path(__file__).parents[2] / "records").glob("*") if (p / "report.md").exists()
]


def held(folder: Path, least: int) -> None:
    verdicts = verify_file(folder / "report.md", folder)
    wrong = [v for v in verdicts if v.status in ("refuted", "rounding")]
    unsaid = [v for v in verdicts if v.status == "unchecked" and v.note != "prediction"]
    assert wrong == []
    assert unsaid == []
    assert sum(v.status == "confirmed" for v in verdicts) >= least


@pytest.mark.parametrize(
    ("seeds", "names", "least"), [(1, (), 70), (2, (), 70), (6, (), 70), (3, EIGHT, 140)]
)
def test_nothing_is_refuted_and_nothing_is_left_unchecked(noisy, tmp_path, seeds, names, least):
    write_results(noisy(seeds, names), tmp_path)
    held(tmp_path, least)


def test_nor_where_a_rule_failed(made, tmp_path):
    task, other = "in-context-recall", "memorization"
    scores = {(rule, task): 0.5 for rule in ("delta", "momentum")}
    scores |= {("delta", other): 0.25, ("momentum", other): 0.25}
    scores |= {("gated_delta", task): None, ("gated_delta", other): 0.75}
    write_results(made(scores), tmp_path)
    held(tmp_path, 10)


def test_a_real_benchmark_with_a_rule_of_ones_own(smoke):
    held(smoke.out, 60)


@pytest.mark.parametrize("folder", RECORDS, ids=lambda p: p.name)
def test_every_record_of_the_repository(folder):
    held(folder, 1)


def test_an_error_put_into_the_report_is_found(noisy, tmp_path):
    write_results(noisy(), tmp_path)
    report = tmp_path / "report.md"
    report.write_text(report.read_text().replace("loses 0.201", "loses 0.301", 1))
    assert [v.stated for v in verify_file(report, tmp_path) if v.status == "refuted"] == [0.301]
