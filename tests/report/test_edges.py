"""Reports where little can be said: ties, failures, one rule; nothing untrue fills the gap."""

from dataclasses import replace

import pandas as pd
import pytest

from archer.mad.plan import make_plan
from archer.mad.presets import mad
from archer.mad.results import Results, curves_frame, trials_frame
from archer.mad.settings import TASKS
from archer.report.claims import verify_file
from archer.report.difficulty import break_points, curves_of, difficulty
from archer.report.files import write_results
from archer.report.findings import findings
from archer.report.insights import insights
from archer.report.markdown import report
from archer.report.notes import next_steps, notes
from archer.report.sections import NO_TASK, setup
from archer.report.study import Study
from archer.rules.load import builtin_graph

RECALL, NOISY = "in-context-recall", "noisy-in-context-recall"
NO_SECOND = "There is no second rule with a score to compare with."
TOO_CLOSE = "The best scores are too close to tell rules apart."


def held(results, folder):
    write_results(results, folder)
    verdicts = verify_file(folder / "report.md", folder)
    if len(results.table) > 1:  # of a single rule nobody can check that it is the best
        assert [v for v in verdicts if v.status != "confirmed" and v.note != "prediction"] == []
    return (folder / "report.md").read_text(), (folder / "report.html").read_text()


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ({("delta", RECALL): 0.5}, NO_SECOND),
        ({("delta", RECALL): 0.5, ("momentum", RECALL): None}, NO_SECOND),
        ({("delta", RECALL): 0.5, ("gated_delta", RECALL): 0.5}, TOO_CLOSE),
        ({("momentum", RECALL): 0.5, ("gated_delta", RECALL): 0.5}, TOO_CLOSE),
        (
            {("delta", RECALL): None, ("momentum", RECALL): 0.5, ("gated_delta", RECALL): 0.7},
            NO_TASK,
        ),
    ],
)
def test_why_there_is_no_finding(made, tmp_path, scores, said):
    markdown, page = held(made(scores), tmp_path)
    assert f"## Key findings\n\n{said}\n" in markdown
    assert said in page
    assert (NO_SECOND in markdown) == (said == NO_SECOND)


def test_without_a_whole_task_there_is_no_bottleneck(made):
    study = Study.of(made({("delta", RECALL): 0.5, ("momentum", RECALL): None}))
    assert insights(study, findings(study)) == []
    assert f"## Insight and bottleneck\n\n{NO_TASK}\n" in report(study)


def test_rules_that_differ_by_less_than_is_shown_do_not_lie_apart(made):
    study = Study.of(made({("delta", RECALL): 0.5, ("gated_delta", RECALL): 0.5001,
                           ("delta", NOISY): 0.6, ("gated_delta", NOISY): 0.6}))  # fmt: skip
    assert "furthest apart" not in report(study)


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ({"delta": 0.5, "gated_delta": 0.4}, "The best score on Context Recall is 0.500, by "
         "`delta`; the lowest is 0.400, by `gated_delta`."),
        ({"delta": 0.5, "gated_delta": 0.50001}, "The best score on Context Recall is 0.500, by "
         "`delta` and `gated_delta`."),
        ({"delta": 0.5}, "`delta` has 0.500 on Context Recall."),
    ],
)  # fmt: skip
def test_of_one_task_nothing_is_the_bottleneck(made, scores, said):
    study = Study.of(made({(rule, RECALL): value for rule, value in scores.items()}))
    text = report(study)
    assert f"## Insight and bottleneck\n\n- {said}\n" in text
    assert "bottleneck is" not in text
    assert "furthest apart" not in text


def test_a_tie_has_no_order(made):
    def averages(first, second, third):
        rules = {"delta": first, "gated_delta": second, "softmax_attention": third}
        scores = {(rule, task): score for rule, score in rules.items() for task in TASKS}
        return {f.kind for f in findings(Study.of(made(scores)))}

    assert "ranking" in averages(0.5, 0.6, 0.4)
    assert "ranking" not in averages(0.5, 0.5, 0.4)
    assert "ranking" not in averages(0.6, 0.5, 0.5)


def test_a_training_that_failed_is_not_counted_as_trained(made):
    study = Study.of(made({("delta", RECALL): 0.5, ("momentum", RECALL): None}))
    assert setup(study)[-1].startswith("2 trials, 1 of them trained")


def test_a_rule_that_failed_is_not_told_to_change_its_learning_rate(made):
    study = Study.of(made({("delta", RECALL): 0.5, ("gated_delta", RECALL): None}, comparable=True))
    assert not any("gated_delta" in step for step in next_steps(study))


def test_every_reason_has_its_own_count(made):
    scores = {("delta", RECALL): [0.5, 0.6, 0.7], ("momentum", RECALL): None}
    study = Study.of(made(scores, seeds=3))
    reason = study.trials["reason"].mask(study.trials["seed"].eq(2), "no memory")
    reason = reason.where(study.trials["status"] == "failed", "")
    told = notes(replace(study, trials=study.trials.assign(reason=reason)))
    assert "2 of momentum's trials on Context Recall failed: worker process was killed." in told
    assert "1 of momentum's trials on Context Recall failed: no memory." in told


def test_a_preset_of_ones_own_is_not_called_smaller(made):
    study = Study.of(made({("delta", RECALL): 0.5}))
    assert any("is smaller than the benchmark" in note for note in notes(study))
    mine = replace(study, trials=study.trials.assign(preset="mine"))
    assert any(note.startswith("Preset `mine` is not the benchmark's:") for note in notes(mine))


@pytest.mark.parametrize("place", [0, 1, -1])
def test_of_a_rule_that_lacks_a_setting_it_is_not_said_where_it_breaks(member, place):
    preset = mad().only(["memorization"])
    plan = make_plan([builtin_graph("delta"), builtin_graph("gated_delta")], preset)
    gone = preset.settings[place].name
    lost = {
        row.trial.id: "no memory"
        for row in plan.rows
        if (row.rule, row.trial.setting.name) == ("gated_delta", gone)
    }
    low = {settings.name for settings in preset.settings[2:4]}
    outcomes = {
        row.trial.id: member(0.1 if row.trial.setting.name in low else 0.9)
        for row in plan.rows
        if row.trial.id not in lost
    }
    trials = trials_frame(plan, outcomes, lost, "cpu")
    study = Study.of(Results(plan, trials, 1.0, "cpu", curves=curves_frame(outcomes)))
    assert break_points(difficulty(study), "memorization") == {}
    text = report(study)
    table = text[text.index("By `", text.index("### Memorize")) :]
    rows = [line for line in table.splitlines() if line.startswith("| gated_delta")]
    assert "| no score |" in rows[0]
    assert rows[0].endswith("| - |")
    head = table.splitlines()[2]
    values = [float(cell) for cell in head.strip("| ").split(" | ")[:-1]]
    assert values == sorted(values), "the easiest first, whoever lacks one"
    study = Study.of(Results(plan, trials.iloc[::-1], 1.0, "cpu"))
    assert list(curves_of(difficulty(study), "memorization")["vocab_size"]) == values
    assert not any("| nan |" in row for row in rows)


def test_a_table_of_results_knows_no_nan(made):
    scores = {("delta", RECALL): 0.5, ("momentum", RECALL): None}
    assert "nan" not in report(Study.of(made(scores))).lower().replace("is nan.", "")
    assert pd.isna(Study.of(made(scores)).score("momentum", "Context Recall"))
