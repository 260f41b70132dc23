"""The report, and the notes a reader needs before believing the table."""

from archer.report.markdown import report as markdown
from archer.report.notes import notes as study_notes
from archer.report.phrases import signed
from archer.report.study import Study
from archer.report.tables import number

RECALL, MEMORIZE = "in-context-recall", "memorization"


def report(results):
    return markdown(Study.of(results))


def notes(results):
    return study_notes(Study.of(results))


def test_differences_are_to_delta_and_signed(made):
    text = report(
        made({("delta", RECALL): 0.5, ("momentum", RECALL): 0.25, ("adam", RECALL): None})
    )
    section = text.split("## Difference to `delta`")[1].split("##")[0]
    assert "| delta_net_4layer_momentum_state_update_in_for_loop | -0.250 |" in section
    assert "| delta_net_4layer_adam_state_update_in_for_loop | no score |" in section
    assert "| delta_net_4layer |" not in section


def test_without_delta_there_is_nothing_to_differ_from(made):
    two = report(made({("momentum", RECALL): 0.25, ("adam", RECALL): 0.5}))
    assert "## Difference" not in two
    assert "`adam` is best on Context Recall with 0.500, ahead of `momentum` by 0.250." in two
    assert "## Difference" not in report(made({("delta", RECALL): 0.25}))


def test_the_whole_benchmark_with_seeds_needs_no_caveats(made):
    results = made({("delta", RECALL): 0.5}, comparable=True, seeds=2)
    assert "Nothing beyond what is said" in report(results)
    assert notes(results) == []
    assert "mean over settings and 2 seeds." in report(results)


def test_small_presets_and_single_seeds_are_said(made):
    found = notes(made({("delta", RECALL): 0.5}))
    assert found[0].startswith("Preset `smoke` is smaller than the benchmark")
    assert found[1].startswith("One seed: no difference")


def test_identical_cells_say_why(made):
    scores = {("delta", MEMORIZE): 0.5, ("momentum", MEMORIZE): 0.5, ("adam", MEMORIZE): 0.5}
    (note,) = [n for n in notes(made(scores)) if "identical" in n]
    assert note == (
        "On Memorize `momentum` and `adam` are identical by construction to `delta`. The whole "
        "sequence fits one chunk, so nothing written is ever read."
    )


def test_rules_that_are_the_same_mathematics_are_not_explained_by_the_chunk(tmp_path):
    from archer.benchmark import plan_bench, run_plan

    paths = []
    for name, result in (("Half", "S + 0.5 * dS"), ("HalfAgain", "dS * 0.5 + S")):
        paths.append(tmp_path / f"{name}.py")
        paths[-1].write_text(
            f"from archer import Rule\nclass {name}(Rule):\n"
            f"    def write(self, S, dS, slots, p):\n        return {result}\n"
        )
    plan = plan_bench(paths, preset="smoke", tasks=[RECALL])
    (note,) = [n for n in notes(run_plan(plan, "cpu", 1, progress=False)) if "identical" in n]
    assert note == (
        "On Context Recall `half_again` is identical by construction to `half`. They are the same "
        "mathematics."
    )


def test_losses_are_told_with_their_reason(made):
    found = notes(made({("delta", RECALL): 0.5, ("momentum", RECALL): None}))
    assert found[-2:] == [
        "1 of momentum's trials on Context Recall failed: worker process was killed.",
        "momentum has no score on Context Recall (seed 0): all of a setting is NaN.",
    ]


def test_the_protocol_is_stated(made):
    text = report(made({("delta", RECALL): 0.5}))
    assert "protocol `strict`: checkpoint, stopping" in text
    assert "1 trials, 1 of them trained, in 0 s of training on cpu" in text


def test_what_rounds_to_zero_is_not_negative(made):
    assert [signed(x, 4) for x in (-0.00004, 0.00004, -0.0001)] == ["0.0000", "0.0000", "-0.0001"]
    assert number(-0.0004, signed=True) == "+0.000"  # without a sign it would be a score
    seeds = {"delta": [0.5, 0.6, 0.7], "adam": [0.49996, 0.6, 0.70002]}
    text = report(made({(rule, RECALL): x for rule, x in seeds.items()}, seeds=3))
    assert "-0.000 " not in text
    assert "-0.0000" not in text


def test_seeds_that_disagree_are_told_once_and_apart(made):
    seeds = {"delta": [0.3, 0.5, 0.7], "gated_delta": [0.5, 0.5, 0.5]}
    text = report(made({(rule, RECALL): x for rule, x in seeds.items()}, seeds=3))
    said = "- `delta` scores 0.500 ± 0.200 on Context Recall: unstable."
    assert text.count(said) == 1
    section = text.split("### Seeds that disagree")[1].split("\n## ")[0]
    assert "Mean ± standard deviation (sd) over seeds." in section
    assert said in section
