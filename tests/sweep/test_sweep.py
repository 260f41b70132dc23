"""A whole sweep in small: what it trains, returns, writes, and never trains again."""

import math
import re
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import archer
from archer.cli import COMMANDS, main
from archer.cli.sweep import show_tables
from archer.cli.sweep import sweep as command
from archer.report.knob_curves import curve_table, knob_curve, learned_values
from archer.store import open_store
from archer.store.status import status
from archer.sweeps import SweepResults, plan_sweep, sweep, words
from archer.sweeps.rebuild import rebuild_sweep
from archer.sweeps.record import make_sweep_record
from archer.sweeps.remarks import remarks

SMALL = {"preset": "smoke", "tasks": ("in-context-recall", "memorization"), "progress": False}
MU = "momentum.mu=0.7,0.8,learned"


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> SweepResults:
    """Three points and the default, two seeds, one of two tasks without effect."""
    out = tmp_path_factory.mktemp("swept")
    return sweep("momentum", set=[MU], seeds=2, lrs=[3e-3, 1e-2], out=out, **SMALL)


def test_knob_values_share_a_population_and_learning_makes_another():
    plan = plan_sweep("momentum", set=MU, preset="smoke", tasks="in-context-recall").cost
    assert sorted(len(population.trials) for population in plan.populations) == [3, 9]
    chunks = plan_sweep(
        "momentum",
        set=["momentum.mu=0.7,0.8"],
        chunk_sizes=(4, 8),
        preset="smoke",
        tasks=["in-context-recall"],
    ).cost
    sizes = [
        (population.trials[0].rule.chunk_size, len(population.trials))
        for population in chunks.populations
    ]
    assert sorted(sizes) == [(4, 6), (8, 9)]  # the default, mu=0.9, is at the preset's size, 8


def test_on_a_gpu_more_points_make_larger_populations_not_more():
    def plan(values):
        tasks = ("in-context-recall", "memorization")
        swept = plan_sweep(
            "momentum", set=[f"momentum.mu={values}"], preset="smoke", tasks=tasks, device="cuda"
        )
        return swept.cost.populations

    few, many = plan("0.9"), plan("0:1:101")
    assert len(few) == len(many)
    acting = max(len(population.trials) for population in few)
    assert (
        max(len(population.trials) for population in many) == acting * 101 > 96
    )  # 0.9 is one of them


def test_the_curve_has_every_point_and_the_default(swept):
    here = swept.curves[swept.curves["task"] == "in-context-recall"]
    assert here["point"].tolist() == ["mu=0.7", "mu=0.8", "mu=learned", "mu=0.9"]
    assert here["momentum.mu"].tolist() == [0.7, 0.8, "learned", 0.9]
    assert here["default"].tolist() == [False, False, False, True]
    assert set(here["n"]) == {2}
    best = here[~here["default"]]["mean"].max()
    assert here.loc[here["selected"], "mean"].tolist() == [best]
    trials = swept.trials[swept.trials["task"] == "in-context-recall"]
    best_lr = trials.groupby(["point", "seed"])["validation_accuracy"].max()
    expected = best_lr.groupby("point").mean()[here["point"]]
    assert np.allclose(here["mean"], expected)


def test_the_chosen_value_is_scored_once_and_held_against_the_default(swept):
    row = swept.selected.set_index("task").loc["in-context-recall"]
    curves = swept.curves[swept.curves["task"] == "in-context-recall"].set_index("point")
    assert row["point"] == curves.index[curves["selected"]].item()
    assert row["default"] == "mu=0.9"
    assert row["difference"] == pytest.approx(row["test_accuracy"] - row["default_test_accuracy"])
    assert row["verdict"] in ("cannot tell", "equivalent", "different")
    assert swept.without_effect == ["memorization"]


def test_files_hold_no_test_accuracy_of_what_was_not_chosen(swept):
    names = ["archer.db", "sweep.csv", "sweep.html", "sweep.md"]
    assert sorted(path.name for path in swept.out.iterdir()) == names
    found = pd.read_csv(swept.out / "sweep.csv")
    assert found.columns.tolist() == [
        *("rule", "momentum.mu", "point", "task", "seed"),
        *("validation_accuracy", "default", "selected", "test_accuracy"),
    ]
    assert len(found) == 4 * 2 * 2
    assert found["validation_accuracy"].notna().all()
    assert (found["test_accuracy"].notna() == found["selected"]).all()
    assert found["selected"].sum() == 2 * 2
    chosen = found[found["selected"]].groupby("task")["test_accuracy"].mean()
    for task, accuracy in swept.selected.set_index("task")["test_accuracy"].items():
        assert chosen[task] == pytest.approx(accuracy)


def test_text_and_page_show_the_curve_and_the_choice(swept):
    text, page = ((swept.out / name).read_text() for name in ("sweep.md", "sweep.html"))
    table = curve_table(swept.curves)
    row = swept.selected.set_index("task").loc["in-context-recall"]
    assert table.loc[row["point"], "Context Recall"].endswith(" *")
    assert table.loc["mu=0.9", "Context Recall"].endswith(" d")
    for point, cell in table["Context Recall"].items():
        assert f"| {point} | {cell} |" in text
        assert f'<th scope="row">{point}</th><td>{cell}</td>' in page
    assert page.count("<svg") == 1  # not for memorization, where nothing is to be seen
    assert "On memorization what is swept has no effect" in text
    assert "Two seeds: no difference can be called significant." in text
    assert "The default (mu=0.9) was not asked for" in text
    assert "http" not in page


def rows(text):
    """Names of the rows of every table in a Markdown text, a list per table."""
    cells = [line.split("|")[1].strip() if line[:1] == "|" else None for line in text.splitlines()]
    tables = [
        list(group) for there, group in groupby(cells, lambda cell: cell is not None) if there
    ]
    return [names[2:] for names in tables]


def test_tables_ascend_and_points_and_records_keep_the_order_asked_for(tmp_path, capsys):
    def trained(name, **options):
        options = SMALL | {"tasks": ("in-context-recall",), "seeds": 3} | options
        return sweep(
            "momentum", set=["momentum.mu=0.9,learned,0.2"], out=tmp_path / name, **options
        )

    grid = trained("grid", chunk_sizes=(64, 8, 32))
    first = ["mu=0.9, chunk_size=64", "mu=0.9, chunk_size=8", "mu=0.9, chunk_size=32"]
    assert [point.label for point in grid.points][:3] == first
    assert grid.scores["point"].unique().tolist()[:3] == first
    text, page = ((tmp_path / "grid" / name).read_text() for name in ("sweep.md", "sweep.html"))
    wanted = [f"mu={mu}, chunk_size={n}" for mu in (0.2, 0.9, "learned") for n in (8, 32, 64)]
    assert rows(text)[1] == wanted
    curves = page.partition("<h2>Curves</h2>")[2].partition("</section>")[0]
    assert re.findall(r'<th scope="row">(.+?)</th>', curves) == wanted
    show_tables(grid)
    shown = [line.partition("  ")[0] for line in capsys.readouterr().out.splitlines()]
    assert [line for line in shown if line in wanted][: len(wanted)] == wanted

    alone = trained("alone", chunk_sizes=(64, 8, 32), one_at_a_time=True)
    found = rows((alone.out / "sweep.md").read_text())[1]
    assert found == ["no change", "mu=0.2", "mu=learned", "chunk_size=32", "chunk_size=64"]
    made = make_sweep_record(alone.out, out=tmp_path / "records").folder
    asked = ["no change", "mu=learned", "mu=0.2", "chunk_size=64", "chunk_size=32"]
    assert rows((made / "report.md").read_text())[1] == asked


def test_ties_losses_and_what_few_seeds_rest_on_are_said(swept):
    trials = swept.trials
    other = (trials["task"] == "in-context-recall") & (trials["point"] != "mu=0.9")
    even = trials["validation_accuracy"].mask(other, 0.5)
    tied = replace(swept, trials=trials.assign(validation_accuracy=even))
    said = (
        "On Context Recall `mu=0.8` and `mu=learned` have the same score as the chosen `mu=0.7`, "
        "which was asked for first."
    )
    assert remarks(tied)[-1] == said
    assert "same score" not in " ".join(remarks(swept))  # all points of memorization are one

    gone = other & (trials["point"] == "mu=0.8")
    kept = {name: trials[name].mask(gone) for name in ("validation_accuracy", "test_accuracy")}
    lost = trials.assign(status=trials["status"].mask(gone, "diverged"), **kept)
    said = "On Context Recall `mu=0.8` has no score: of 4 trials 4 diverged."
    assert remarks(replace(swept, trials=lost))[-1] == said

    three = replace(swept, design=replace(swept.design, seeds=3))
    limit = "3 seeds: the sign-flip test cannot fall below p = 0.25; the p-value rests on noise"
    three.__dict__["selected"] = swept.selected.assign(statement=limit)
    assert remarks(three)[-1] == f"{limit}."


def test_what_stands_behind_a_plus_minus_is_said_at_its_table(swept, capsys):
    about = "± is the standard deviation over seeds."
    text, page = ((swept.out / name).read_text() for name in ("sweep.md", "sweep.html"))
    show_tables(swept)
    shown = capsys.readouterr().out
    assert about in text.partition("## Chosen")[2].partition("|")[0]
    assert about in page.partition("<h2>Chosen</h2>")[2].partition("<table>")[0]
    assert about in shown.partition("\nChosen")[2].partition("Context Recall")[0]
    learned = "Where learned knobs ended, mean over seeds ± standard deviation"
    assert learned in text
    assert learned in page
    assert learned in shown
    alone = replace(swept, design=replace(swept.design, seeds=1))
    assert "±" not in words.chosen(alone)


def test_a_sweep_that_was_trained_makes_a_record_of_the_same_choice(swept, tmp_path):
    made = make_sweep_record(swept.out, out=tmp_path).folder
    rebuilt = rebuild_sweep(made)
    assert rebuilt.difference is None
    pd.testing.assert_frame_equal(rebuilt.results.selected, swept.selected)
    pd.testing.assert_frame_equal(rebuilt.results.curves, swept.curves)
    assert (made / "sweep.csv").read_bytes() == (swept.out / "sweep.csv").read_bytes()


def test_the_same_sweep_again_trains_nothing_and_is_equal(swept, capfd):
    again = sweep(
        "momentum",
        set=[MU],
        seeds=2,
        lrs=[3e-3, 1e-2],
        store=swept.out,
        **SMALL | {"progress": True},
    )
    said = capfd.readouterr().err
    assert said.startswith("20 of 20 trials found")
    assert "[1/" not in said
    pd.testing.assert_frame_equal(again.trials, swept.trials)
    pd.testing.assert_frame_equal(again.curves, swept.curves)
    pd.testing.assert_frame_equal(again.selected, swept.selected)


def test_a_larger_sweep_trains_only_what_is_new(swept, capfd, tmp_path):
    sweep(
        "momentum",
        set=["momentum.mu=0.7,0.75"],
        seeds=2,
        lrs=[3e-3, 1e-2],
        store=swept.out,
        **SMALL | {"progress": True},
    )
    said = capfd.readouterr().err.splitlines()
    assert said[0].startswith("12 of 16 trials found")
    assert [line.partition(":")[0] for line in said[1:]] == [
        "[1/1] momentum in-context-recall/seq_len=32 x4"
    ]


def test_a_benchmark_finds_the_trials_of_a_sweep_and_keeps_apart_from_it(swept, capfd):
    results = archer.bench(
        ["momentum"], knobs={"momentum.mu": 0.8}, store=swept.out, **SMALL | {"progress": True}
    )
    assert "2 of 2 trials found" in capfd.readouterr().err
    ours = swept.trials[swept.trials["point"] == "mu=0.8"].set_index("trial")["test_accuracy"]
    for trial, accuracy in results.trials[["trial", "test_accuracy"]].itertuples(index=False):
        assert ours[trial] == accuracy
    with open_store(swept.out) as store:
        assert sorted(asked.preset for asked in status(store)) == ["smoke", "smoke (sweep)"]


def test_a_sweep_finds_the_trials_of_a_benchmark(tmp_path, capfd):
    archer.bench(["momentum"], out=tmp_path, **SMALL)
    sweep(
        "momentum",
        set=["momentum.mu=0.8,0.9"],
        seeds=1,
        store=tmp_path,
        **SMALL | {"progress": True},
    )
    assert capfd.readouterr().err.startswith("2 of 3 trials found")


def test_learned_values_are_there_per_layer_and_head(swept):
    found = swept.learned
    assert found["point"].unique().tolist() == ["mu=learned"]
    assert found["task"].unique().tolist() == ["in-context-recall"]  # memorization learns none
    assert found[["layer", "head"]].to_numpy().tolist() == [[0, 0], [1, 0]]
    assert (found["start"] == 0.9).all()
    assert (found["seeds"] == 2).all()
    chosen = swept.trials[swept.trials["point"] == "mu=learned"]
    chosen = chosen[chosen["task"] == "in-context-recall"]
    best = chosen.loc[chosen.groupby("seed")["validation_accuracy"].idxmax()]
    for layer, mean in found[["layer", "mean"]].itertuples(index=False):
        values = best[f"learned.mu.layer{layer}.head0"]
        assert mean == pytest.approx(values.mean())
        assert mean != 0.9
    assert "## Learned values" in (swept.out / "sweep.md").read_text()


def test_learned_mixes_of_adam_softmax_are_reported_by_task():
    results = archer.bench(
        ["adam_softmax", "delta"],
        preset="smoke",
        tasks=["selective-copying", "memorization"],
        heads=2,
        seeds=2,
        progress=False,
    )
    found = learned_values(results.trials)
    knobs = {knob.removeprefix("knob.") for knob in results.trials if knob.startswith("knob.")}
    learned = {name for name in knobs if f"learned.{name}" in results.trials}
    copying = found[found["task"] == "selective-copying"]
    assert set(found["rule"]) == {"adam_softmax"}
    assert set(copying["knob"]) == learned
    assert len(learned) == 2
    assert len(copying) == len(learned) * 2 * 2  # layers, heads
    assert (found["seeds"] == 2).all()
    # on one chunk the memory's mix is never read; the softmax's is
    memorized = set(found[found["task"] == "memorization"]["knob"])
    assert len(memorized) == 1
    assert np.allclose(found["start"], 0.1)
    assert (found["mean"] != found["start"]).all()
    assert (found["sd"] > 0).all()


def test_no_learned_knob_no_table():
    trials = pd.DataFrame({"rule": ["delta"], "protocol": ["strict"]})
    assert learned_values(trials).empty


def test_a_curve_draws_numbers_words_and_marks():
    curves = pd.DataFrame(
        {
            "point": ["mu=0.7", "mu=0.8", "mu=learned"],
            "momentum.mu": [0.7, 0.8, "learned"],
            "task": "in-context-recall",
            "mean": [0.5, 0.7, 0.6],
            "sd": [0.1, 0.0, math.nan],
            "n": 3,
            "default": [True, False, False],
            "selected": [False, True, False],
        }
    )
    drawn = knob_curve(curves, "momentum.mu", "in-context-recall")
    assert drawn.count("<title>mu=") == 3
    assert drawn.count('class="bar') == 1  # of the only point with a spread
    assert "<title>mu=0.8: 0.700 ±0.000 *</title>" in drawn
    assert ">learned</text>" in drawn
    assert knob_curve(curves.assign(mean=math.nan), "momentum.mu", "in-context-recall") is None


def run(monkeypatch, *args: str) -> int:
    """A command in this process, through the command line's own parser."""
    monkeypatch.setitem(COMMANDS, "sweep", command)
    with pytest.raises(SystemExit) as ended:
        main(["sweep", *args])
    return int(ended.value.code or 0)


def test_the_command_prints_curves_choice_and_files(monkeypatch, capfd, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    args = ("momentum", "--set", "momentum.mu=0.7,0.9", "--preset", "smoke")
    small = ("--tasks", "in-context-recall", "--seeds", "1")
    assert run(monkeypatch, *args, *small) == 0
    said = capfd.readouterr().out
    assert "Validation accuracy of every point" in said
    assert "mu=0.9" in said
    assert "One seed: nothing can be told" in said
    folder = Path("results/sweep-momentum-smoke")
    assert f"wrote {folder / 'sweep.csv'}" in said
    assert (folder / "archer.db").exists()
    assert run(monkeypatch, *args, "--dry-run", "--out", "none") == 0
    assert "dry run: nothing was trained" in capfd.readouterr().out
    assert not Path("none").exists()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--set", "momentum.mu=0:1:201"), "a grid of 201 points"),
        (("--set", "momentum.mu=2"), "out of bounds"),
        (("--chunk-size", "1,b"), "write whole numbers"),
        (("--set", "momentum.mu=0.7", "--search", "tpe"), "--search tpe needs --trials"),
        (("--set", "momentum.mu=0.7", "--trials", "3"), "--trials is of a search"),
        (("--set", "momentum.mu=0.7", "--lr", "0"), "--lr 0: it must be more than 0"),
        (("--set", "momentum.mu=0.7", "--weight-decay", "-1"), "it must be 0 or more"),
        (("--set", "momentum.mu=0.7", "--seeds", "0"), "at least one seed"),
        (("--set", "momentum.mu=0.7", "--workers", "0"), "at least one is needed"),
        ((), "nothing to sweep"),
    ],
)
def test_a_mistake_costs_one_line_and_leaves_nothing(args, said, monkeypatch, capfd, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "momentum", "--preset", "smoke", *args) == 2
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert said in printed.err
    assert printed.err.count("\n") == 1
    assert not list(tmp_path.iterdir())
