"""The report, and the notes a reader needs before believing the table."""

from archer.report.markdown import report as markdown
from archer.report.notes import notes as study_notes
from archer.report.study import Study

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
