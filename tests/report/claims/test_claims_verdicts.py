"""Lines, notes, rounding, predictions, files: what a verdict carries."""

import dataclasses
import json
from pathlib import Path

import pandas as pd
import pytest

from archer.errors import ArcherError
from archer.report.claims import Details, verify, verify_file
from archer.report.claims.details import from_trials

DATA = Path(__file__).parent / "data"
TABLE = pd.read_csv(DATA / "seed.csv", index_col=0)
RULES = pd.read_csv(DATA / "rules.csv")


def only(text, table=TABLE, **more):
    (verdict,) = verify(text, table, **more)
    return verdict


def test_line_and_text_are_those_of_the_report():
    report = (
        "# Results\n\nA line without a claim.\n\n"
        "- First.\n- **Momentum** reaches `0.45` on\n  Compress. Decay is next.\n\n"
        "| model | Compress |\n|---|---|\n| momentum | 0.432 |\n| decay | **0.999** |\n"
    )
    wrong = [v for v in verify(report, TABLE) if v.status == "refuted"]
    assert [(v.line, v.text) for v in wrong] == [
        (6, "**Momentum** reaches `0.45` on\nCompress."),
        (12, "**0.999**"),
    ]
    assert wrong[0].stated == 0.45
    assert wrong[0].actual == pytest.approx(0.432281)


def test_verdicts_are_json():
    verdict = only("Momentum reaches 0.45 on Compress.")
    assert json.loads(json.dumps(dataclasses.asdict(verdict))) == {
        "line": 1,
        "text": "Momentum reaches 0.45 on Compress.",
        "status": "refuted",
        "stated": 0.45,
        "actual": 0.432281,
        "note": None,
    }


@pytest.mark.parametrize(
    ("figure", "status"),
    [
        ("0.4323", "confirmed"),
        ("0.432", "confirmed"),
        ("43.2 %", "confirmed"),
        (".43", "confirmed"),
        ("0.4324", "rounding"),
        ("0.433", "rounding"),
        ("0.431", "rounding"),
        ("0.434", "refuted"),
        ("0.44", "rounding"),
        ("0.45", "refuted"),
        ("45 %", "refuted"),
    ],
)
def test_rounding(figure, status):
    assert only(f"Momentum scores {figure} on Compress.").status == status


def test_one_unit_of_a_small_difference_is_no_rounding():
    assert only("Error gating adds 0.02 on Fuzzy Recall.").status == "refuted"  # truly 0.0104
    assert only("Error gating adds 0.01 on Noisy Recall.").status == "refuted"  # truly 0.0007
    assert only("Momentum loses 0.010 on Compress.").status == "rounding"  # truly 0.0094


@pytest.mark.parametrize(
    "text",
    [
        "We expect momentum to reach 0.99 on Memorize.",
        "A sharper softmax should lift Fuzzy Recall to 0.3.",
        "## Next steps\n\nMomentum with a learned mu: Memorize 0.5.",
        "### Expected impact\n\n| Task | momentum |\n|---|---|\n| Memorize | 0.5 |",
    ],
)
def test_predictions_are_unchecked_and_say_so(text):
    found = verify(text, TABLE)
    assert found
    assert {(v.status, v.note) for v in found} == {("unchecked", "prediction")}


def test_a_fact_beside_a_prediction_is_still_checked():
    text = "We expected momentum to help Memorize, but it scores 0.470 there on Compress."
    assert "refuted" in {v.status for v in verify(text, TABLE)}
    noted = "As expected, momentum trails the baseline on Compress by 5.0 pp."
    assert only(noted).status == "refuted"


@pytest.mark.parametrize(
    "text",
    [
        "Momentum used mu = 0.9 and lr = 0.001 with 4 layers, chunk 32 and 66 settings.",
        "See section 4.2, arXiv 2406.06484 and https://example.org/0.5/delta (2024-12-17).",
        "```\nmomentum 0.999 Compress\n```",
        "Momentum was run with version 1.2 on 3 seeds for 200 epochs.",
        "The method is described in Table 2.",
    ],
)
def test_numbers_that_are_no_scores_make_no_claim(text):
    assert [v for v in verify(text, TABLE) if v.status != "unchecked"] == []


def test_models_outside_the_table_are_not_compared():
    for text in ("Mamba beats delta on Compress.", "Momentum beats MesaNet on Compress."):
        assert {v.status for v in verify(text, TABLE)} <= {"unchecked"}
    cell = only("| model | Compress |\n|---|---|\n| MesaNet | 0.999 |")
    assert cell.status == "unchecked"


def trials(spread):
    """Three seeds of two rules; delta's second grid point is worse on both splits."""
    rows = [
        ("delta", "compression", seed, wd, 0.40 + spread * seed - wd, None)
        for seed in range(3)
        for wd in (0.0, 0.1)
    ] + [("momentum", "compression", seed, 0.0, 0.41 + 0.002 * seed, None) for seed in range(3)]
    names = ["rule", "task", "seed", "weight_decay", "test_accuracy", "identical_to"]
    frame = pd.DataFrame(rows, columns=names)
    return frame.assign(
        row=frame["rule"],
        setting=frame["task"],
        lr=0.001,
        validation_accuracy=frame["test_accuracy"],
        validation_perplexity=1.0,
        protocol="strict",
    )


def test_trials_say_where_rules_ran_one_graph():
    same = trials(0.05).assign(task="memorization", setting="memorization")
    same["identical_to"] = same["rule"].where(same["rule"] != "momentum", "delta")
    same.loc[same["rule"] == "delta", "identical_to"] = None
    text = "Momentum trails delta on Memorize."
    assert only(text, RULES, details=from_trials(same)).note == "identical-by-construction"
    apart = from_trials(same.assign(identical_to=None))
    assert only(text, RULES, details=apart).note == "within-noise"


def test_seeds_tell_noise_from_difference():
    rules = RULES.assign(Compress=RULES["Compress"].where(RULES["rule"] != "momentum", 0.412))
    text = "Momentum beats delta on Compress."
    assert only(text, rules, details=from_trials(trials(0.05))).note == "within-noise"
    assert only(text, rules, details=from_trials(trials(0.0021))).note is None
    assert only(text, rules, details=Details()).note is None


def test_spread_behind_plus_minus_is_checked_when_seeds_are_known():
    rules = RULES.assign(Compress=RULES["Compress"].where(RULES["rule"] != "delta", 0.45))
    details = from_trials(trials(0.05))  # delta: 0.40, 0.45, 0.50: sd 0.05
    assert (
        only("Delta scores 0.45 ± 0.05 on Compress.", rules, details=details).status == "confirmed"
    )
    wrong = only("Delta scores 0.45 ± 0.01 on Compress.", rules, details=details)
    assert (wrong.status, wrong.actual) == ("refuted", pytest.approx(0.05))
    assert only("Delta scores 0.45 ± 0.01 on Compress.", rules).status == "confirmed"


def test_known_identical_cells_can_be_given():
    details = Details(identical=frozenset({("momentum", "delta", "Compress")}))
    note = only("Momentum trails delta on Compress.", RULES, details=details).note
    assert note == "identical-by-construction"


def test_files_and_folders(tmp_path):
    report = tmp_path / "report.md"
    report.write_text("Momentum scores 0.39 on Compress.\n", encoding="utf-8")
    RULES.to_csv(tmp_path / "results.csv", index=False)
    assert [v.status for v in verify_file(report, tmp_path / "results.csv")] == ["confirmed"]
    trials(0.05).to_csv(tmp_path / "trials.csv", index=False)
    assert [v.status for v in verify_file(report, tmp_path)] == ["confirmed"]
    report.write_text("Momentum is below delta on Compress.\n", encoding="utf-8")
    assert verify_file(report, tmp_path)[0].note == "within-noise"


def test_bad_input_is_one_clear_line(tmp_path):
    report = tmp_path / "report.md"
    with pytest.raises(ArcherError, match="no report at"):
        verify_file(report, DATA / "seed.csv")
    report.write_text("Momentum scores 0.39 on Compress.\n", encoding="utf-8")
    with pytest.raises(ArcherError, match="no table at"):
        verify_file(report, tmp_path)
    bad = tmp_path / "bad.csv"
    bad.write_text("model,name\na,b\n", encoding="utf-8")
    with pytest.raises(ArcherError, match="no numeric columns"):
        verify_file(report, bad)
    bad.write_text("", encoding="utf-8")
    with pytest.raises(ArcherError, match="not a CSV"):
        verify_file(report, bad)
    bad.write_text("model,T\na,0.1\na,0.2\n", encoding="utf-8")
    with pytest.raises(ArcherError, match="two rows named 'a'"):
        verify_file(report, bad)


def test_a_report_without_claims_and_an_empty_one():
    assert verify("", TABLE) == []
    assert verify("# Title\n\nSome words about memory.\n", TABLE) == []


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("The hardest task is Memorize.", "refuted"),
        ("The hardest task is Fuzzy Recall.", "confirmed"),
        ("The toughest column for momentum is Fuzzy Recall.", "confirmed"),
        ("The easiest task for all is Compress.", "refuted"),
    ],
)
def test_the_hardest_task_is_read_either_way_round(text, status):
    assert [v.status for v in verify(text, TABLE)] == [status]


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("Momentum reaches 0.45 at most on Compress.", "confirmed"),
        ("Momentum reaches 0.45 at least on Compress.", "refuted"),
        ("Momentum and DeltaNet differ by 0.05 at most on Compress.", "confirmed"),
        ("Momentum and DeltaNet differ by 0.005 at most on Compress.", "refuted"),
        # of a table that is not here
        ("DeltaNet agrees with the independent run in every column (0.023 at most).", "unchecked"),
    ],
)
def test_a_bound_may_stand_behind_its_figure(text, status):
    assert only(text).status == status


def test_rows_of_other_tables_are_not_held_against_this_one():
    text = "| | Compress |\n|---|---|\n| {} | 0.9 |\n| DeltaNet | 0.442 |\n"
    for label in ("gated, independent run", "the gated rule, published", "DeltaNet to reproduce"):
        statuses = [v.status for v in verify(text.format(label), TABLE)]
        assert statuses == ["unchecked", "confirmed"]
    assert next(v.status for v in verify(text.format("the gated rule"), TABLE)) == "refuted"
