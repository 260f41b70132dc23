"""The five errors of a real pair of reports, in wordings of many kinds, and their true twins."""

from pathlib import Path

import pandas as pd
import pytest

from archer.report.claims import verify

TABLE = pd.read_csv(Path(__file__).parent / "data" / "seed.csv", index_col=0)


def refuted(text):
    return [v for v in verify(text, TABLE) if v.status == "refuted"]


FALSE = {
    0.635233: [
        "Momentum averages 0.619.",
        "The momentum variant's average accuracy is 0.619 over the six tasks.",
        "`delta_net_4layer_momentum_state_update_in_for_loop`: average 0.619",
        "| model | Average |\n|---|---|\n| momentum | 0.619 |",
        "With a mean of 61.9 %, momentum is the weakest model.",
    ],
    0.667948: [
        "The baseline has an average of 0.637.",
        "DeltaNet's overall score is 0.637.",
        "- Baseline (`delta_net_4layer`): 0.637 average",
    ],
    0.70992: [
        "Gated DeltaNet reaches an average of 0.708.",
        "GDN: mean accuracy ≈ 0.708",
        "On average, gated DeltaNet scores 0.708.",
    ],
}


@pytest.mark.parametrize(("actual", "text"), [(a, t) for a, texts in FALSE.items() for t in texts])
def test_wrong_averages_are_refuted_with_the_true_figure(actual, text):
    found = refuted(text)
    assert found, text
    assert found[0].actual == pytest.approx(actual, abs=1e-5)


@pytest.mark.parametrize(
    "text",
    [
        "Gated DeltaNet leads on average.",
        "Gated DeltaNet has the highest average.",
        "The best overall model is gated DeltaNet.",
        "On average, gated_delta_net_4layer comes first.",
        "Gated DeltaNet ranks first overall.",
        "No model beats gated DeltaNet on average.",
        "Softmax attention is second on average.",
    ],
)
def test_the_wrong_leader_is_refuted(text):
    assert refuted(text), text


@pytest.mark.parametrize(
    "text",
    [
        "Error gating shows a consistent lift of 0.01–0.02 on three recall tasks.",
        "Error gating lifts the three recall tasks by 0.01–0.02.",
        "Error gating improves all recall tasks by 1–2 pp.",
        "Error gating adds between 0.01 and 0.02 on Context, Fuzzy and Noisy Recall.",
        "The error-gated variant gains at least 0.01 on every recall task.",
    ],
)
def test_the_lift_that_is_none_is_refuted(text):
    assert refuted(text), text


@pytest.mark.parametrize(
    "text",
    [
        "Momentum hurts Memorize.",
        "Momentum drops Memorize from 0.403 to 0.370, while error gating lifts it to 0.414.",
        "Decay is 4.0 pp worse than delta on Memorize.",
        "Error gating improves Memorize by 0.011.",
        "On Memorize, momentum beats decay.",
    ],
)
def test_differences_between_identical_models_are_marked_not_refuted(text):
    found = verify(text, TABLE)
    assert not refuted(text)
    assert any("identical-by-construction" in (v.note or "") for v in found)
    assert all(v.status == "confirmed" for v in found)


def test_a_wrong_number_is_refuted_on_identical_models_too():
    (verdict,) = refuted("Momentum is 8.0 pp worse than delta on Memorize.")
    assert verdict.note == "identical-by-construction"


@pytest.mark.parametrize(
    "text",
    [
        "Momentum averages 0.635, the baseline 0.668 and gated DeltaNet 0.710.",
        "Softmax attention leads on average (0.712).",
        "Error gating lifts Fuzzy Recall by 0.010; Context Recall moves by less than 0.001.",
        "Gated DeltaNet is second on average.",
    ],
)
def test_the_corrected_statements_are_confirmed(text):
    statuses = {v.status for v in verify(text, TABLE)}
    assert statuses == {"confirmed"}
