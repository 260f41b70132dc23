"""Our rows next to published ones."""

from pathlib import Path

import pandas as pd
import pytest

from archer.errors import ArcherError
from archer.mad.plan import make_plan
from archer.mad.presets import mad
from archer.mad.results import Results, curves_frame, trials_frame
from archer.mad.settings import COLUMNS, TASKS
from archer.report.beside import Published, beside, known, read_published
from archer.report.claims import verify_file
from archer.report.files import write_report, write_results
from archer.report.html import page
from archer.report.markdown import report
from archer.report.study import Study
from archer.rules.load import builtin_graph

SIX = list(COLUMNS.values())


def row(model="DeltaNet", note="", **scores):
    values = dict.fromkeys(SIX, 0.5) | {k.replace("_", " "): v for k, v in scores.items()}
    return Published("a paper", model, values, note)


@pytest.fixture
def studied(made):
    def build(scores, seeds=3):
        rules = {rule: scores.get(rule, 0.5) for rule in ("delta", "softmax_attention")}
        cells = {(rule, task): value for rule, value in rules.items() for task in TASKS}
        return Study.of(made(cells, seeds=seeds))

    return build


def test_differences_are_ours_minus_theirs_and_judged_by_our_interval(studied):
    text = beside(studied({"delta": [0.48, 0.5, 0.52]}), [row(Memorize=0.6, Compress=0.45)])
    assert list(text.index) == ["delta_net_4layer", "DeltaNet, published"]
    assert list(text.columns) == [*SIX, "Average", "from"]
    ours, theirs = text.iloc[0], text.iloc[1]
    assert (ours["Memorize"], ours["from"]) == ("0.500", "ours, protocol strict")
    assert theirs["Memorize"] == "0.600 (ours -0.100, outside)"
    # t with two degrees of freedom: 0.5 +- 4.303 * 0.02 / sqrt(3) = 0.450 to 0.550
    assert theirs["Compress"] == "0.450 (ours +0.050, outside)"
    assert theirs["Context Recall"] == "0.500 (ours 0.000, within)"
    assert theirs["Average"] == "0.508 (ours -0.008, within)"
    assert theirs["from"] == "a paper"
    inside = beside(studied({"delta": [0.48, 0.5, 0.52]}), [row(Compress=0.4504)])
    assert inside.iloc[1]["Compress"] == "0.450 (ours +0.050, within)"


def test_one_seed_gives_no_interval_and_no_verdict(studied):
    text = beside(studied({"delta": 0.25}, seeds=1), [row(note="2 layers", Memorize=float("nan"))])
    assert text.iloc[1]["Compress"] == "0.500 (ours -0.250)"
    assert text.iloc[1]["Memorize"] == "none"
    assert text.iloc[1]["Average"] == "none"
    assert text.iloc[1]["from"] == "a paper; 2 layers"


def test_names_are_ours_the_tables_or_the_literatures(studied):
    study = studied({}, seeds=1)
    for model in ("softmax_attention", study.rows["softmax_attention"]):
        assert beside(study, [row(model)]).index[0] == study.rows["softmax_attention"]
    assert beside(study, [row("Gated DeltaNet"), row("Hyena")]) is None
    assert beside(study) is None, "smoke is not what was published"


def test_the_tables_that_come_with_archer_are_those_to_reproduce():
    ours = {(row.source, row.model): row for row in known()}
    seed = pd.read_csv(Path(__file__).parents[1] / "data" / "seed_results.csv", index_col=0)
    for model, scores in seed.iterrows():
        assert ours["experiments to reproduce", model].scores == dict(scores)
    assert len(known()) == len(seed) + 19
    source = "HassanJbara/lin-attn-bench (branch mad)"
    assert ours[source, "Gated DeltaNet"].note.startswith("mad-lab protocol, dim 128, 1 head")
    assert all(row.source for row in known())


@pytest.fixture(scope="module")
def whole():
    """A made-up run of the preset whose scores were published."""
    from archer.train.results import EpochMetrics, MemberResult, SplitMetrics

    graphs = [builtin_graph("delta"), builtin_graph("gated_delta")]
    plan = make_plan(graphs, mad(), protocol="mad-lab", seeds=2)
    outcomes = {}
    for planned in plan.rows:
        reached = (int(planned.trial.id, 16) % 700 + 100) / 1000
        split = SplitMetrics(reached, reached, 1.0, 2.0)
        history = [EpochMetrics(1, 1.0, split, split)]
        outcomes[planned.trial.id] = MemberResult(
            steps=4, seconds=0.5, history=history, best_epoch=1
        )
    trials, curves = trials_frame(plan, outcomes, {}, "cpu"), curves_frame(outcomes)
    return Results(plan, trials, 1.0, "cpu", curves=curves)


def test_preset_mad_stands_beside_published_tables_by_itself(whole, tmp_path):
    write_results(whole, tmp_path)
    text = (tmp_path / "report.md").read_text()
    section = text.split("## Beside published tables")[1].split("\n## ")[0]
    assert "| DeltaNet, published | 0.396 (ours +" in section
    assert "experiments to reproduce |" in section
    assert "HassanJbara/lin-attn-bench (branch mad); mad-lab protocol, dim 128" in section
    assert "protocol `mad-lab`" in text.split("## Accuracy")[1].splitlines()[0]
    assert "Beside published tables" in (tmp_path / "report.html").read_text()
    found = verify_file(tmp_path / "report.md", tmp_path)
    assert [v for v in found if v.status in ("refuted", "rounding")] == []
    assert [v for v in found if v.status == "unchecked" and v.note != "prediction"] == []


def test_rows_of_ones_own_stand_in_any_report(studied, tmp_path, made):
    text = "model,source,Compress,Context Recall,Fuzzy Recall,Memorize,Noisy Recall,Selective Copy"
    (tmp_path / "mine.csv").write_text(f"{text}\ndelta,last year,0.1,0.2,0.3,0.4,0.5,0.6\n")
    write_results(made({("delta", task): 0.5 for task in TASKS}), tmp_path)
    (path,) = write_report(tmp_path, form="md", beside=tmp_path / "mine.csv")
    assert "| delta, published | 0.100 (ours +0.400) |" in path.read_text()
    assert "last year" in path.read_text()
    study = studied({}, seeds=1)
    published = read_published(tmp_path / "mine.csv")
    assert "last year" in page(study, published)
    assert "last year" in report(study, published)
    assert "Beside published tables" not in page(study) + report(study)


def test_a_table_like_results_csv_can_stand_beside(tmp_path):
    seed = Path(__file__).parents[1] / "data" / "seed_results.csv"
    first = read_published(seed)[0]
    assert (first.source, first.model) == ("seed_results", "delta_net_4layer")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model,Compress\ndelta,0.5\n", "lacks the column 'Context Recall'"),
        ("a,b\n", "lacks the column 'model'"),
        ("", "not a CSV table"),
        ("model," + ",".join(SIX) + "\ndelta" + ",44.1" * 6 + "\n", "not percent"),
        (None, "no table at"),
    ],
)
def test_a_table_that_cannot_stand_beside_is_told(tmp_path, text, said):
    path = tmp_path / "bad.csv"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ArcherError) as told:
        read_published(path)
    assert said in str(told.value)


def test_the_page_names_the_source_below_each_row(studied):
    text = page(studied({"delta": 0.25}, seeds=1), [row(note="2 layers", Compress=0.5)])
    section = text.split('<section id="beside">')[1].split("</section>")[0]
    assert section.count("<tr data-rule") == 2
    assert 'DeltaNet<span class="origin">a paper; 2 layers</span>' in section
    assert '<span class="v">0.500</span><span class="d">ours -0.250</span>' in section
    assert "is not the whole benchmark" in section
