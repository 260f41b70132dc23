"""A whole benchmark in small: what it returns and what it writes."""

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import archer
from archer.benchmark import find_device, other_gpus, plan_bench, run_plan
from archer.mad.plan import model
from archer.mad.presets import core
from archer.mad.presets import smoke as smoke_preset
from archer.mad.settings import TASKS, baseline
from archer.mad.work import _data
from archer.rules.graph import RuleGraph
from archer.rules.load import BUILTIN, builtin_graph
from archer.train.population import Member, Regime, train_population
from archer.train.results import EpochMetrics

COLUMNS = [
    "Compress",
    "Context Recall",
    "Fuzzy Recall",
    "Memorize",
    "Noisy Recall",
    "Selective Copy",
    "Average",
]
ROWS = [
    "delta_net_4layer_momentum_state_update_in_for_loop",
    "delta_net_4layer",
    "delta_net_4layer_softmax_attention_in_for_loop",
    "halving",
]


def test_the_table_has_the_published_names_in_the_order_asked(smoke):
    assert smoke.table.index.tolist() == ROWS
    assert smoke.table.columns.tolist() == COLUMNS
    values = smoke.table.to_numpy()
    assert ((values >= 0) & (values <= 1)).all()
    assert np.allclose(smoke.table["Average"], smoke.table[COLUMNS[:6]].mean(axis=1))


def test_names_are_those_of_the_table_to_reproduce():
    seed = pd.read_csv(Path(__file__).parent / "data" / "seed_results.csv", index_col=0)
    assert seed.columns.tolist() == COLUMNS[:6]
    rules = ["delta", "decay", "error_gated", "momentum", "softmax_attention", "gated_delta"]
    from archer.rules.load import row_name

    assert seed.index.tolist() == [row_name(rule) for rule in rules]


def test_results_csv_reads_back_as_the_table(smoke):
    text = (smoke.out / "results.csv").read_text()
    assert text.splitlines()[0] == "," + ",".join(COLUMNS)
    found = pd.read_csv(smoke.out / "results.csv", index_col=0)
    pd.testing.assert_frame_equal(found, smoke.table, rtol=1e-14, check_index_type=False)


def test_trials_csv_has_a_row_per_trained_member_and_the_stated_columns(smoke):
    found = pd.read_csv(smoke.out / "trials.csv")
    assert len(found) == len(smoke.trials) == 4 * 6
    assert found.columns.tolist() == smoke.trials.columns.tolist()
    documented = (Path(__file__).parents[1] / "docs" / "results.md").read_text()
    for column in found.columns:
        name = column.split(".")[0] + "." if "." in column else f"`{column}`"
        assert name in documented, f"docs/results.md does not say what {column} is"
    assert found["test_accuracy"].notna().all()
    assert set(found["status"]) == {"finished"}
    assert found["reason"].isna().all()
    assert set(found["epochs"]) == {2}
    assert set(found["steps"]) == {4}
    assert (found["seconds"] > 0).all()
    assert set(found["protocol"]) == {"strict"}
    assert set(found["lr"]) == {3e-3}


def test_report_md_holds_the_table_and_the_caveats(smoke):
    text = (smoke.out / "report.md").read_text()
    assert "| | " + " | ".join(COLUMNS) + " |" in text
    for row in ROWS:
        assert f"| {row} | " in text
    assert "not comparable to published ones" in text
    assert "One seed: no difference in this table can be called significant." in text
    note = "On Memorize `momentum` and `halving` are identical by construction to `delta`."
    assert note in text
    files = [
        "archer.db",
        "cells.csv",
        "curves.csv",
        "report.html",
        "report.md",
        "results.csv",
        "rules",
        "trials.csv",
    ]
    assert sorted(p.name for p in smoke.out.iterdir()) == files
    assert [p.name for p in (smoke.out / "rules").iterdir()] == ["halving.json"]


def test_a_learned_knob_is_trained_and_its_last_value_recorded(smoke):
    rows = smoke.trials[smoke.trials["rule"] == "momentum"].set_index("task")
    heads = [f"learned.mu.layer{layer}.head0" for layer in range(2)]
    for task in TASKS:
        if task in ("memorization", "compression"):  # it does not act there
            assert rows.loc[task, ["knob.mu", "learned.mu", *heads]].isna().all()
            continue
        assert rows.loc[task, "knob.mu"] == 0.8
        values = rows.loc[task, heads]
        assert (values != 0.8).all()
        assert values.between(0.5, 1.0).all()
        assert rows.loc[task, "learned.mu"] == pytest.approx(values.mean())
    others = smoke.trials[smoke.trials["rule"] != "momentum"]
    assert others["learned.mu"].isna().all()


def test_a_users_rule_stands_beside_the_built_in_ones(smoke):
    mine = smoke.trials[smoke.trials["rule"] == "halving"].set_index("task")
    delta = smoke.trials[smoke.trials["rule"] == "delta"].set_index("task")
    acts = [task for task in TASKS if task not in ("memorization", "compression")]
    assert (mine.loc[acts, "test_loss"] != delta.loc[acts, "test_loss"]).all()
    assert mine.loc[acts, "identical_to"].isna().all()


def test_what_is_identical_by_construction_shares_deltas_trial_and_is_marked(smoke):
    from archer.report.study import Study
    from archer.report.tables import cells

    trials = smoke.trials.set_index(["rule", "task"])
    for task in ("memorization", "compression"):
        for rule in ("momentum", "halving"):
            assert trials.loc[(rule, task), "trial"] == trials.loc[("delta", task), "trial"]
            assert trials.loc[(rule, task), "identical_to"] == "delta"
        assert pd.isna(trials.loc[("softmax_attention", task), "identical_to"])
    marked = cells(Study.of(smoke)).map(lambda cell: cell.endswith("="))
    assert marked["Memorize"].tolist() == marked["Compress"].tolist() == [True, False, False, True]
    assert not marked.drop(columns=["Memorize", "Compress"]).to_numpy().any()


def test_marks_are_there_though_delta_is_not_benchmarked():
    plan = plan_bench(["momentum"], preset="smoke", tasks=["memorization", "in-context-recall"])
    results = run_plan(plan, "cpu", 1, progress=False)
    assert results.identical.to_numpy().tolist() == [["momentum", "memorization", "delta"]]


@pytest.mark.parametrize("name", ["decay", "error_gated", "momentum", "adam"])
def test_trained_apart_from_the_same_seed_such_rules_give_deltas_bits(name):
    """The claim behind the mark: the rule itself is trained here, its write and slots in it."""
    plan = plan_bench(["delta"], preset="smoke", tasks=["memorization"])
    (trial,) = plan.populations[0].trials

    def losses(rule: RuleGraph) -> list[EpochMetrics]:
        found = train_population(
            rule, trial.model, [trial.member], _data((trial,)), trial.regime
        ).members[0]
        assert found.status == "finished"
        return found.history

    rule, delta = builtin_graph(name), builtin_graph("delta")
    assert not rule.is_default("write") or not rule.is_default("gate")
    assert losses(rule.with_chunk_size(8)) == losses(delta.with_chunk_size(8))
    # with smaller chunks what is written is read, and then the losses part
    assert losses(rule.with_chunk_size(2)) != losses(delta.with_chunk_size(2))


def test_the_same_benchmark_twice_gives_the_same_numbers(smoke):
    again = archer.bench(["delta"], preset="smoke", tasks=["memorization"], progress=False)
    first = smoke.trials[
        (smoke.trials["rule"] == "delta") & (smoke.trials["task"] == "memorization")
    ]
    for column in ("trial", "test_accuracy", "test_loss", "validation_loss", "train_loss"):
        assert again.trials[column].tolist() == first[column].tolist()


def test_seeds_differ_and_cells_are_their_mean():
    results = archer.bench(
        "delta", preset="smoke", tasks="memorization", seeds=3, protocol="mad-lab", progress=False
    )
    assert results.trials["seed"].tolist() == [0, 1, 2]
    assert results.trials["test_loss"].nunique() == 3
    assert results.table.iloc[0, 0] == pytest.approx(results.trials["test_accuracy"].mean())
    assert set(results.trials["protocol"]) == {"mad-lab"}
    assert results.out is None


def test_a_diverged_rule_has_no_score_and_says_so(tmp_path):
    preset = replace(smoke_preset(), lrs=(1e30,))
    results = archer.bench(
        ["delta"], preset=preset, tasks=["in-context-recall"], out=tmp_path, progress=False
    )
    (row,) = results.trials.to_dict("records")
    assert row["status"] == "diverged"
    assert math.isnan(row["test_accuracy"])
    assert math.isnan(results.table.iloc[0, 0])
    report = (tmp_path / "report.md").read_text()
    assert "| delta_net_4layer | no score |" in report
    assert "1 of delta's trials on Context Recall diverged." in report
    assert "delta has no score on Context Recall (seed 0): all of a setting is NaN." in report


def test_one_diverged_point_of_the_grid_leaves_the_others():
    preset = replace(smoke_preset(), lrs=(1e30, 3e-3))
    results = archer.bench(["delta"], preset=preset, tasks=["in-context-recall"], progress=False)
    assert results.trials["status"].tolist() == ["diverged", "finished"]
    assert results.table.iloc[0, 0] == results.trials["test_accuracy"].tolist()[1]


def test_a_plain_script_needs_no_main_guard(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import archer\n"
        "results = archer.bench(['delta'], preset='smoke', tasks=['memorization'])\n"
        "print(results.table.to_csv())\n"
    )
    found = subprocess.run(
        [sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, timeout=600
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.startswith(",Memorize\ndelta_net_4layer,0.")
    assert found.stderr.count("[1/1] delta memorization") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["script.py"]


def test_importing_archer_leaves_torch_alone():
    code = "import sys, archer, archer.cli; print('torch' in sys.modules, 'pandas' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False"]


def test_bench_stays_a_function_whatever_was_imported_before():
    import archer.benchmark

    assert archer.bench is archer.benchmark.bench
    assert {"bench", "Rule", "Knob", "Signal", "ArcherError"} <= set(dir(archer))
    with pytest.raises(AttributeError, match="has no attribute 'bunch'"):
        _ = archer.bunch


def test_devices():
    assert find_device("cpu") == "cpu"
    assert find_device("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(archer.ArcherError, match="unknown device 'gpu': use auto, cpu or cuda"):
        find_device("gpu")


def test_the_default_precision_is_the_devices():
    for device, precision in (("cpu", "fp32"), ("cuda", "bf16")):
        plan = plan_bench(["delta"], preset="smoke", device=device)
        assert {row.trial.regime.precision for row in plan.rows} == {precision}


def test_published_settings_are_trained_as_published():
    plan = plan_bench(["delta"], preset=core(), tasks=["memorization"], heads=4)
    (population,) = plan.populations
    assert {trial.setting for trial in population.trials} == {baseline("memorization")}
    assert {trial.model for trial in population.trials} == {
        replace(model(core(), baseline("memorization")), heads=4)
    }
    assert {trial.regime for trial in population.trials} == {Regime()}
    assert isinstance(population.trials[0].member, Member)


def test_no_rule_is_not_every_rule():
    with pytest.raises(archer.ArcherError, match="no rule given: name at least one"):
        archer.bench([], preset="smoke", progress=False)
    assert [rule.name for rule in plan_bench(preset="smoke").rules] == list(BUILTIN)


def test_several_gpus_are_pointed_out(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert other_gpus("cpu") == ""
    assert "4 GPUs are visible" in other_gpus("cuda")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert other_gpus("cuda") == ""


def test_an_output_gate_is_a_model_of_its_own(tmp_path):
    said = {"preset": "smoke", "tasks": ["memorization"], "device": "cpu", "progress": False}
    gated = archer.bench(["gated_delta"], **said, output_gate=True, out=tmp_path, save_weights=True)
    assert gated.trials["output_gate"].all()
    assert "Every rule has an output gate" in (tmp_path / "report.md").read_text()
    (trial,) = gated.selected["trial"]
    module = archer.load(trial, folder=tmp_path)
    assert module.blocks[0].mixer.gate.weight.shape == (16, 16)
    plain = archer.bench(["gated_delta"], **said)
    assert "output_gate" not in plain.trials
    assert not set(plain.trials["trial"]) & set(gated.trials["trial"])
    with pytest.raises(archer.ArcherError, match="attention brings its own or none"):
        archer.bench(["attention"], **said, output_gate=True)
